//! What `docker save` writes, in all its generations, and podman, skopeo and
//! buildah after it: a `manifest.json` that names each image's configuration,
//! layers and tags.
//!
//! Layers lie as `ID/layer.tar` (some of them links to others'), as
//! `HEX.tar`, or as `blobs/sha256/HEX`. From version 25 on the archive is an
//! OCI layout as well; `manifest.json` is still what says which images are
//! meant, as Docker itself reads it, and the names of blobs say their digests.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::found::{FoundImage, LayerFile, check_count, check_digest, digest_in_name, read_config};
use super::media;
use super::problem::{Problem, Result};
use super::source::Source;
use crate::image::{Config, Digest, Name, Reference, is_hex};

/// The file that makes an archive one of Docker's.
const MANIFEST: &str = "manifest.json";

/// Images that one archive may hold.
const MAX_IMAGES: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
    layer_sources: Option<HashMap<String, LayerSource>>,
}

/// The descriptor that newer versions add for each diff ID.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayerSource {
    media_type: String,
    digest: Digest,
    size: u64,
}

/// The images of an archive of Docker's; `None` if it is none.
pub(crate) fn images(source: &Source) -> Result<Option<Vec<FoundImage>>> {
    let Some(bytes) = source.find_document(MANIFEST)? else { return Ok(None) };
    let items = parse(&bytes)?;
    if items.is_empty() || items.len() > MAX_IMAGES {
        let text = format!("its manifest.json names {} images", items.len());
        return Err(Problem::new(text));
    }
    items.iter().map(|item| image(source, item)).collect::<Result<_>>().map(Some)
}

fn parse(bytes: &[u8]) -> Result<Vec<Item>> {
    serde_json::from_slice(bytes).map_err(|e| {
        // A registry's manifest under the same name.
        let object: Option<serde_json::Map<_, serde_json::Value>> =
            serde_json::from_slice(bytes).ok();
        match object.is_some_and(|o| o.contains_key("schemaVersion")) {
            true => Problem::new(
                "it is in skopeo's own format (dir:), which is no image archive; turn it into one \
                 with `skopeo copy dir:FOLDER oci:FOLDER`",
            ),
            false => Problem::because("its manifest.json can't be understood", e),
        }
    })
}

fn image(source: &Source, item: &Item) -> Result<FoundImage> {
    let config = config(source, &item.config)?;
    let files = item.layers.as_deref().unwrap_or_default();
    check_count(&config, files.len())?;
    let layers = files
        .iter()
        .zip(config.diff_ids())
        .map(|(name, diff_id)| layer(source, item, name, diff_id))
        .collect::<Result<_>>()?;
    let names = item.repo_tags.iter().flatten().map(|tag| name(tag)).collect::<Result<_>>()?;
    Ok(FoundImage { config, manifest: None, names, digests: Vec::new(), layers })
}

/// The name of the file is the image's id, with `.json` or as a blob's.
fn config(source: &Source, name: &str) -> Result<Config> {
    let bytes = source.document(name)?;
    let by_id = name.strip_suffix(".json").filter(|hex| is_hex(hex));
    let promised = by_id.and_then(|hex| format!("sha256:{hex}").parse().ok());
    if let Some(digest) = promised.or_else(|| digest_in_name(name)) {
        check_digest(&name, &bytes, &digest)?;
    }
    read_config(bytes)
}

fn layer(source: &Source, item: &Item, name: &str, diff_id: &Digest) -> Result<LayerFile> {
    let mut layer = LayerFile {
        name: name.to_owned(),
        bytes: Arc::new(source.require(name)?),
        diff_id: diff_id.clone(),
        blob: digest_in_name(name),
        compression: None,
    };
    // A descriptor with another digest is of what was once pulled, compressed:
    // the file is that layer unpacked.
    let declared = item.layer_sources.as_ref().and_then(|s| s.get(&diff_id.to_string()));
    if let Some(declared) = declared.filter(|d| layer.blob.as_ref() == Some(&d.digest)) {
        layer.expect_len(declared.size)?;
        layer.compression = Some(media::layer(&declared.media_type).map_err(|p| p.of(&name))?);
    }
    Ok(layer)
}

fn name(text: &str) -> Result<Name> {
    let reference: Reference =
        text.parse().map_err(|e| Problem::because(format!("its tag {text:?} is no name"), e))?;
    reference.named().ok_or_else(|| Problem::new(format!("its tag {text:?} has a digest")))
}
