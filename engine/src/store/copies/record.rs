//! What a copy says: all that the database knows of an image or a container.

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::image::{Digest, Hasher};
use crate::store::layers;

/// An image, with the layers beneath it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageCopy {
    pub(crate) id: String,
    /// Byte for byte: JSON is always text.
    pub(crate) config: String,
    pub(crate) loaded: i64,
    pub(crate) tagged: Option<i64>,
    /// Repository and tag.
    pub(crate) names: Vec<(String, String)>,
    /// Repository and digest.
    pub(crate) digests: Vec<(String, String)>,
    pub(crate) manifests: Vec<ManifestCopy>,
    /// From the lowest to the topmost.
    pub(crate) layers: Vec<LayerCopy>,
}

/// A manifest, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestCopy {
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) content: String,
}

/// A layer's row. Its parent is the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerCopy {
    pub(crate) chain_id: String,
    pub(crate) diff_id: String,
    pub(crate) size: u64,
}

/// A container's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainerCopy {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) base: Option<String>,
    pub(crate) state: String,
    pub(crate) created: i64,
    pub(crate) record: String,
}

impl ImageCopy {
    /// Whether both say the same of the image. A layer's size may have come to
    /// be known later, through another image.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        let without_sizes = |copy: &Self| {
            let mut copy = copy.clone();
            copy.layers.iter_mut().for_each(|layer| layer.size = 0);
            copy
        };
        without_sizes(self) == without_sizes(other)
    }

    /// Whether the configuration is that of which the id is the digest.
    pub(crate) fn is_of_its_id(&self) -> bool {
        self.id.parse::<Digest>().is_ok_and(|id| {
            let mut hasher = Hasher::new(id.algorithm());
            hasher.update(self.config.as_bytes());
            hasher.finish() == id
        })
    }

    /// Of the image's rows; `None` if there is no such image.
    pub(crate) fn read(c: &Connection, id: &str) -> Result<Option<Self>> {
        let row = c
            .prepare_cached("SELECT config, top, loaded, tagged FROM image WHERE id = ?1")?
            .query_row([id], |r| {
                let config: Vec<u8> = r.get(0)?;
                Ok((config, r.get::<_, Option<String>>(1)?, r.get(2)?, r.get(3)?))
            })
            .optional()?;
        let Some((config, top, loaded, tagged)) = row else { return Ok(None) };
        let pairs = |query: &str| -> Result<Vec<(String, String)>> {
            let mut statement = c.prepare_cached(query)?;
            let rows = statement.query_map([id], |r| Ok((r.get(0)?, r.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        Ok(Some(Self {
            id: id.to_owned(),
            config: text(config),
            loaded,
            tagged,
            names: pairs("SELECT repository, tag FROM tag WHERE image = ?1 ORDER BY 1, 2")?,
            digests: pairs(
                "SELECT repository, digest FROM repo_digest WHERE image = ?1 ORDER BY 1, 2",
            )?,
            manifests: manifests(c, id)?,
            layers: top.map_or(Ok(Vec::new()), |top| chain(c, &top))?,
        }))
    }
}

/// Whatever isn't text couldn't be parsed as JSON either; such an image can't
/// have come in.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

fn manifests(c: &Connection, id: &str) -> Result<Vec<ManifestCopy>> {
    let mut statement = c.prepare_cached(
        "SELECT digest, media_type, content FROM manifest WHERE image = ?1 ORDER BY digest",
    )?;
    let rows = statement.query_map([id], |r| {
        Ok(ManifestCopy { digest: r.get(0)?, media_type: r.get(1)?, content: text(r.get(2)?) })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn chain(c: &Connection, top: &str) -> Result<Vec<LayerCopy>> {
    let mut chain: Vec<_> = layers::chain(c, top)?
        .into_iter()
        .map(|l| LayerCopy { chain_id: l.chain_id, diff_id: l.diff_id, size: l.size })
        .collect();
    chain.reverse();
    Ok(chain)
}

impl ContainerCopy {
    /// Of the container's row; `None` if there is no such container.
    pub(crate) fn read(c: &Connection, id: &str) -> Result<Option<Self>> {
        Ok(c.prepare_cached(
            "SELECT id, name, image, base, state, created, record FROM container WHERE id = ?1",
        )?
        .query_row([id], |r| {
            Ok(Self {
                id: r.get(0)?,
                name: r.get(1)?,
                image: r.get(2)?,
                base: r.get(3)?,
                state: r.get(4)?,
                created: r.get(5)?,
                record: r.get(6)?,
            })
        })
        .optional()?)
    }
}
