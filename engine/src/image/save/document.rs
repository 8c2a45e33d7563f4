//! The documents of an archive: what says which blobs are an image.
//!
//! Members of JSON objects come in the order of their names, so that the same
//! images give the same bytes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::select::Selected;
use super::{Blob, blob_name};
use crate::error::{Error, Result};
use crate::image::digest::Digest;
use crate::image::find::Image;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Files by their names.
type Files = Vec<(String, Vec<u8>)>;

/// Everything of an archive but the layers.
pub(super) struct Described {
    /// Found by their names.
    pub(super) documents: Files,
    /// Found by their digests.
    pub(super) blobs: Files,
}

/// Describes `images`, whose layers are `layers`, one image's after another's.
pub(super) fn describe(
    images: &[Selected<'_>],
    layers: &[Blob],
    docker: bool,
) -> Result<Described> {
    let mut described = Described {
        documents: vec![("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec())],
        blobs: Vec::new(),
    };
    let mut entries = Vec::new();
    for selected in images {
        let of_image = |blob: &&Blob| blob.image == selected.image.id.to_string();
        let layers: Vec<&Blob> = layers.iter().filter(of_image).collect();
        let (media_type, manifest) = match kept_manifest(selected, &layers) {
            Some(kept) => kept,
            None => (MANIFEST.to_owned(), json(&manifest(&selected.image, &layers))?),
        };
        let digest = Digest::of(&manifest);
        entries.extend(index_entries(selected, &media_type, &digest, manifest.len()));
        let config = (blob_name(&selected.image.id), selected.image.config.raw().to_vec());
        described.blobs.extend([config, (blob_name(&digest), manifest)]);
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    described.documents.push(("index.json".to_owned(), json(&index)?));
    if docker {
        described.documents.push(("manifest.json".to_owned(), json(&docker_manifest(images))?));
        if images.iter().any(|selected| !selected.names.is_empty()) {
            described.documents.push(("repositories".to_owned(), json(&repositories(images))?));
        }
    }
    Ok(described)
}

fn json(value: &Value) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::Invalid(format!("a document of the archive: {e}")))
}

fn manifest(image: &Image, layers: &[&Blob]) -> Value {
    let layers: Vec<Value> = layers
        .iter()
        .map(|blob| json!({ "mediaType": LAYER, "digest": blob.diff_id, "size": blob.len }))
        .collect();
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": image.id, "size": image.config.raw().len() },
        "layers": layers,
    })
}

/// The manifest that the image came with, and its type, if its layers weren't
/// compressed: then it names the very blobs that are written now, and the image
/// keeps the digest by which repositories know it.
fn kept_manifest(selected: &Selected<'_>, layers: &[&Blob]) -> Option<(String, Vec<u8>)> {
    #[derive(Deserialize)]
    struct Descriptor {
        digest: Digest,
        size: u64,
    }
    #[derive(Deserialize)]
    struct Fields {
        config: Descriptor,
        layers: Vec<Descriptor>,
    }
    selected.manifests.iter().find_map(|(media_type, content)| {
        let fields: Fields = serde_json::from_slice(content).ok()?;
        let same =
            |(d, blob): (&Descriptor, &&Blob)| d.digest == blob.diff_id && d.size == blob.len;
        let fits = fields.config.digest == selected.image.id
            && fields.layers.len() == layers.len()
            && fields.layers.iter().zip(layers).all(same);
        fits.then(|| (media_type.clone(), content.clone()))
    })
}

/// One for each name; an image without names has one all the same.
fn index_entries(
    selected: &Selected<'_>,
    media_type: &str,
    digest: &Digest,
    len: usize,
) -> Vec<Value> {
    let entry = || json!({ "mediaType": media_type, "digest": digest, "size": len });
    if selected.names.is_empty() {
        return vec![entry()];
    }
    let named = selected.names.iter().map(|name| {
        let full = format!("{}:{}", name.repository.as_str(), name.tag);
        let mut entry = entry();
        if let Some(members) = entry.as_object_mut() {
            let annotations = json!({
                "io.containerd.image.name": full,
                "org.opencontainers.image.ref.name": name.tag,
            });
            members.insert("annotations".to_owned(), annotations);
        }
        entry
    });
    named.collect()
}

/// What Docker and podman look for first.
fn docker_manifest(images: &[Selected<'_>]) -> Value {
    let item = |selected: &Selected<'_>| {
        let diff_ids = selected.image.config.diff_ids();
        let names: Vec<String> = selected.names.iter().map(ToString::to_string).collect();
        json!({
            "Config": blob_name(&selected.image.id),
            "RepoTags": if names.is_empty() { Value::Null } else { names.into() },
            "Layers": diff_ids.iter().map(blob_name).collect::<Vec<_>>(),
        })
    };
    images.iter().map(item).collect()
}

/// What came before `manifest.json`, and some tools still list names by.
fn repositories(images: &[Selected<'_>]) -> Value {
    let mut repositories: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for selected in images {
        let top = selected.image.config.diff_ids().last().map_or("", Digest::hex);
        for name in &selected.names {
            let tags = repositories.entry(name.repository.familiar()).or_default();
            tags.insert(&name.tag, top);
        }
    }
    json!(repositories)
}
