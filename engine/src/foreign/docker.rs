//! Docker's own image store, under `image/DRIVER`: configurations by their
//! digests, names in one file, and for each layer a folder called by its
//! chain ID, whose files say what the driver calls it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use super::ground::{Ground, missing};
use super::image::ForeignImage;
use super::kind::Layout;
use super::split::Split;
use super::{Shelf, is_id};
use crate::archive::{FoundImage, LayerFile, Problem, check_digest, read_config};
use crate::image::{ChainId, Digest, Limits};

type Result<T> = std::result::Result<T, Problem>;

/// Bytes of the names at most; a name takes some 150.
const MAX_NAMES: u64 = 8 << 20;

/// Bytes of the small files that say one thing of a layer.
const MAX_NOTE: u64 = 4096;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Names {
    #[serde(default)]
    repositories: HashMap<String, BTreeMap<String, String>>,
}

/// An opened store.
#[derive(Debug)]
pub(super) struct Docker {
    ground: Arc<Ground>,
    layout: Layout,
}

impl Docker {
    pub(super) fn new(ground: Arc<Ground>, layout: Layout) -> Self {
        Self { ground, layout }
    }

    fn path(&self, rest: &str) -> String {
        format!("image/{}/{rest}", self.layout.driver())
    }

    fn config_path(&self, id: &str) -> String {
        self.path(&format!("imagedb/content/sha256/{id}"))
    }

    fn layer_path(&self, chain: &ChainId, name: &str) -> String {
        self.path(&format!("layerdb/sha256/{}/{name}", chain.hex()))
    }

    /// What a layer's file says; without the file, the layer isn't whole.
    fn note(&self, chain: &ChainId, name: &str) -> Result<String> {
        let path = self.layer_path(chain, name);
        let bytes = self.ground.document(&path, MAX_NOTE)?.ok_or_else(|| missing(&path))?;
        String::from_utf8(bytes)
            .map(|text| text.trim_end().to_owned())
            .map_err(|e| Problem::because(format!("{path:?} can't be understood"), e))
    }

    /// Bytes of its files: about what its archive has. Only for the progress.
    fn size(&self, chain: &ChainId) -> Result<u64> {
        let size = self.ground.document(&self.layer_path(chain, "size"), MAX_NOTE)?;
        let size = size.and_then(|text| String::from_utf8(text).ok());
        Ok(size.and_then(|text| text.trim_end().parse().ok()).unwrap_or(0))
    }

    fn layer(&self, chain: &ChainId, diff_id: &Digest, limits: &Limits) -> Result<LayerFile> {
        let recorded = self.note(chain, "diff")?;
        if recorded != diff_id.to_string() {
            let text = format!("the store has {recorded:?} as its diff ID");
            return Err(Problem::new(text));
        }
        let cache_id = self.note(chain, "cache-id")?;
        if !is_id(&cache_id) {
            return Err(Problem::new(format!("the store has {cache_id:?} as its cache ID")));
        }
        let split = Split {
            ground: Arc::clone(&self.ground),
            record: self.layer_path(chain, "tar-split.json.gz"),
            tree: self.layout.tree(&cache_id),
            len: self.size(chain)?,
            decoding: limits.decoding,
        };
        split.into_layer(diff_id)
    }
}

impl Shelf for Docker {
    fn images(&self) -> Result<Vec<ForeignImage>> {
        let mut images: BTreeMap<String, ForeignImage> = BTreeMap::new();
        for name in self.ground.names(&self.path("imagedb/content/sha256"))?.iter() {
            if let Some(image) = name.name.to_str().and_then(ForeignImage::new) {
                images.insert(image.id.to_string(), image);
            }
        }
        let names: Option<Names> = self.ground.json(&self.path("repositories.json"), MAX_NAMES)?;
        for (text, id) in names.into_iter().flat_map(|n| n.repositories).flat_map(|(_, n)| n) {
            let hex = id.strip_prefix("sha256:").unwrap_or(&id);
            let Some(new) = ForeignImage::new(hex) else { continue };
            images.entry(new.id.to_string()).or_insert(new).add_name(&text);
        }
        Ok(images.into_values().collect())
    }

    fn find(&self, image: &ForeignImage, limits: &Limits) -> Result<FoundImage> {
        let path = self.config_path(image.id.hex());
        let bytes = self.ground.document(&path, limits.documents.bytes)?;
        let bytes = bytes.ok_or_else(|| missing(&path))?;
        check_digest(&"its configuration", &bytes, &image.id)?;
        let config = read_config(bytes)?;
        let chains = ChainId::all(config.diff_ids());
        let layers = chains
            .iter()
            .zip(config.diff_ids())
            .map(|(chain, diff_id)| {
                let part = format!("layer {diff_id}");
                self.layer(chain, diff_id, limits).map_err(|p| p.of(&part))
            })
            .collect::<Result<_>>()?;
        let (names, digests) = (image.names.clone(), image.digests.clone());
        Ok(FoundImage { config, manifest: None, names, digests, layers })
    }
}
