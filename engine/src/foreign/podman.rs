//! containers/storage, which Podman, Buildah, Skopeo and CRI-O share: a list
//! of images with a folder of documents each, and a list of layers, each with
//! its record beside it.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::ground::{Ground, missing};
use super::image::ForeignImage;
use super::index::{List, MAX_BYTES};
use super::kind::Layout;
use super::split::Split;
use super::{Shelf, is_id};
use crate::archive::{
    FoundImage, LayerFile, Manifest, Problem, check_count, check_digest, read_config,
};
use crate::image::{Config, Digest, Limits};

type Result<T> = std::result::Result<T, Problem>;

#[derive(Debug, Deserialize)]
struct ImageRow {
    id: String,
    #[serde(default)]
    names: List<String>,
    /// The topmost layer.
    #[serde(default)]
    layer: Option<String>,
    #[serde(rename = "big-data-digests", default)]
    documents: Option<HashMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct LayerRow {
    id: String,
    #[serde(default)]
    parent: Option<String>,
    #[serde(rename = "diff-digest", default)]
    diff_id: Option<String>,
    #[serde(rename = "diff-size", default)]
    len: Option<i64>,
    #[serde(default)]
    flags: Option<Flags>,
}

#[derive(Debug, Deserialize)]
struct Flags {
    /// It was being made, or is being removed.
    #[serde(default)]
    incomplete: Option<bool>,
}

/// A manifest, as far as it says whose it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestFields {
    media_type: Option<String>,
    config: Option<Described>,
    manifests: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Described {
    digest: String,
}

/// An opened store, with both lists as they were then.
#[derive(Debug)]
pub(super) struct Podman {
    ground: Arc<Ground>,
    layout: Layout,
    images: HashMap<String, ImageRow>,
    layers: HashMap<String, LayerRow>,
}

impl Podman {
    pub(super) fn open(ground: Arc<Ground>, layout: Layout) -> Result<Self> {
        let driver = layout.driver();
        let list: Option<List<ImageRow>> =
            ground.json(&format!("{driver}-images/images.json"), MAX_BYTES)?;
        let images = list.into_iter().flat_map(|l| l.0).map(|row| (row.id.clone(), row)).collect();
        let list: Option<List<LayerRow>> =
            ground.json(&format!("{driver}-layers/layers.json"), MAX_BYTES)?;
        let layers = list.into_iter().flat_map(|l| l.0).map(|row| (row.id.clone(), row)).collect();
        Ok(Self { ground, layout, images, layers })
    }

    /// The document that an image has under this key.
    fn document(&self, id: &str, key: &str, limits: &Limits) -> Result<Option<Vec<u8>>> {
        // What isn't lower-case letters, digits and dots is written in base64.
        let plain = key.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.'));
        let name = if plain { key.to_owned() } else { format!("={}", STANDARD.encode(key)) };
        let path = format!("{}-images/{id}/{name}", self.layout.driver());
        self.ground.document(&path, limits.documents.bytes)
    }

    fn config(&self, image: &ForeignImage, limits: &Limits) -> Result<Config> {
        let Some(bytes) = self.document(image.id.hex(), &image.id.to_string(), limits)? else {
            return Err(Problem::new(
                "its configuration isn't there: it is a list of images, or of Docker's first image \
                 format, or it came in pieces (zstd:chunked)",
            ));
        };
        check_digest(&"its configuration", &bytes, &image.id)?;
        read_config(bytes)
    }

    /// The manifest, where it is one of this configuration.
    fn manifest(&self, row: &ImageRow, id: &Digest, limits: &Limits) -> Result<Option<Manifest>> {
        const KEY: &str = "manifest";
        let Some(content) = self.document(&row.id, KEY, limits)? else { return Ok(None) };
        let digest = Digest::of(&content);
        let recorded = row.documents.as_ref().and_then(|documents| documents.get(KEY));
        if recorded.is_some_and(|recorded| *recorded != digest.to_string()) {
            return Err(Problem::new("its manifest isn't the one that the store has noted"));
        }
        let fields: ManifestFields = serde_json::from_slice(&content)
            .map_err(|e| Problem::because("its manifest can't be understood", e))?;
        let its = fields.config.is_some_and(|config| config.digest == id.to_string());
        if fields.manifests.is_some() || !its {
            return Ok(None);
        }
        let oci = || "application/vnd.oci.image.manifest.v1+json".to_owned();
        let media_type = fields.media_type.unwrap_or_else(oci);
        Ok(Some(Manifest { digest, media_type, content }))
    }

    /// The layers down from `top`, the lowest first.
    fn chain(&self, top: Option<&String>) -> Result<Vec<&LayerRow>> {
        let mut chain = Vec::new();
        let mut next = top;
        while let Some(id) = next.filter(|id| !id.is_empty()) {
            let Some(row) = self.layers.get(id) else {
                return Err(Problem::new(format!(
                    "the store doesn't have its layer {id:?} (additional image stores aren't read)"
                )));
            };
            if chain.len() == self.layers.len() {
                return Err(Problem::new("its layers stand on one another in a circle"));
            }
            chain.push(row);
            next = row.parent.as_ref();
        }
        chain.reverse();
        Ok(chain)
    }

    fn layer(&self, row: &LayerRow, diff_id: &Digest, limits: &Limits) -> Result<LayerFile> {
        if row.flags.as_ref().is_some_and(|flags| flags.incomplete == Some(true)) {
            return Err(Problem::new("the store says that it is incomplete"));
        }
        if !is_id(&row.id) {
            return Err(Problem::new(format!("the store calls it {:?}, which is no ID", row.id)));
        }
        match &row.diff_id {
            Some(recorded) if *recorded != diff_id.to_string() => {
                let text = format!("the store has {recorded:?} as its diff ID");
                return Err(Problem::new(text));
            }
            _ => {}
        }
        let split = Split {
            ground: Arc::clone(&self.ground),
            record: format!("{}-layers/{}.tar-split.gz", self.layout.driver(), row.id),
            tree: self.layout.tree(&row.id),
            len: row.len.and_then(|len| u64::try_from(len).ok()).unwrap_or(0),
            decoding: limits.decoding,
        };
        split.into_layer(diff_id)
    }
}

impl Shelf for Podman {
    fn images(&self) -> Result<Vec<ForeignImage>> {
        let mut images = Vec::new();
        for row in self.images.values() {
            match ForeignImage::new(&row.id) {
                Some(mut image) => {
                    row.names.0.iter().for_each(|name| image.add_name(name));
                    images.push(image);
                }
                None => tracing::warn!("the image {:?} has no digest for an ID: left out", row.id),
            }
        }
        Ok(images)
    }

    fn find(&self, image: &ForeignImage, limits: &Limits) -> Result<FoundImage> {
        let row = self.images.get(image.id.hex()).ok_or_else(|| missing(image.id.hex()))?;
        let config = self.config(image, limits)?;
        let chain = self.chain(row.layer.as_ref())?;
        check_count(&config, chain.len())?;
        let layers = chain
            .into_iter()
            .zip(config.diff_ids())
            .map(|(row, diff_id)| {
                let part = format!("layer {diff_id}");
                self.layer(row, diff_id, limits).map_err(|p| p.of(&part))
            })
            .collect::<Result<_>>()?;
        let manifest = self.manifest(row, &image.id, limits)?;
        let (names, digests) = (image.names.clone(), image.digests.clone());
        Ok(FoundImage { config, manifest, names, digests, layers })
    }
}
