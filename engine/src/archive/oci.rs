//! OCI image layouts (image-spec, image-layout.md), in a folder or packed:
//! what skopeo, umoci, podman and buildx write.
//!
//! An index lists images, or further indexes. At the top, entries with
//! different names are different images. Entries that share a name, and those
//! of an index below the top, are one image built for several platforms, of
//! which this host's is taken.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use super::found::{
    FoundImage, LayerFile, Manifest, blob_name, check_count, read_config, read_verified,
};
use super::media::{self, Listed};
use super::platform::Platform;
use super::problem::{Problem, Result};
use super::source::Source;
use crate::image::{Digest, Name, Reference};

/// Indexes within indexes: two are usual, as many as these are an attack.
const MAX_DEPTH: u32 = 4;

/// The schema of indexes and manifests (image-spec, manifest.md).
const SCHEMA: u64 = 2;

/// The name that containerd and Docker give an image, in full.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// The name of the specification: a tag, or a name with a tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: Option<u64>,
    media_type: Option<String>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
    layers: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestFields {
    schema_version: Option<u64>,
    media_type: Option<String>,
    config: Descriptor,
    #[serde(default)]
    layers: Vec<Descriptor>,
    manifests: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: Digest,
    size: u64,
    platform: Option<Platform>,
    annotations: Option<HashMap<String, String>>,
}

impl Descriptor {
    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

/// The images of a layout; `None` if it is none.
pub(crate) fn images(source: &Source, host: &Platform) -> Result<Option<Vec<FoundImage>>> {
    let Some(bytes) = source.find_document("index.json")? else { return Ok(None) };
    check_layout(source)?;
    let index = parse_index("index.json", &bytes)?;
    let mut chosen: BTreeMap<Digest, (Descriptor, Vec<Name>)> = BTreeMap::new();
    for (names, group) in by_name(index.manifests)? {
        for descriptor in choose_top(source, group, host)? {
            let entry = chosen.entry(descriptor.digest.clone());
            entry.or_insert_with(|| (descriptor, Vec::new())).1.extend(names.clone());
        }
    }
    if chosen.is_empty() {
        return Err(Problem::new("its index lists no image"));
    }
    chosen.into_values().map(|(d, names)| image(source, &d, names)).collect::<Result<_>>().map(Some)
}

fn check_layout(source: &Source) -> Result<()> {
    let Some(bytes) = source.find_document("oci-layout")? else { return Ok(()) };
    let layout: Layout = serde_json::from_slice(&bytes)
        .map_err(|e| Problem::because("its oci-layout can't be understood", e))?;
    if layout.image_layout_version.starts_with("1.") {
        return Ok(());
    }
    let version = layout.image_layout_version;
    Err(Problem::new(format!("it is an OCI image layout of version {version:?}; known is 1.0.0")))
}

fn parse_index(what: &str, bytes: &[u8]) -> Result<Index> {
    let index: Index = serde_json::from_slice(bytes)
        .map_err(|e| Problem::because(format!("{what} can't be understood"), e))?;
    check_schema(what, index.schema_version)?;
    // A document that is both could be read as two different images.
    if index.layers.is_some() {
        return Err(Problem::new(format!("{what} is an index and a manifest at once")));
    }
    if let Some(media_type) = &index.media_type
        && media::listed(media_type).map_err(|p| p.of(&what))? != Listed::Index
    {
        return Err(Problem::new(format!("{what} says that it is a {media_type}")));
    }
    Ok(index)
}

/// Fields of another schema may mean something else. One that leaves its
/// number out has those that are known, or isn't understood.
fn check_schema(what: &str, version: Option<u64>) -> Result<()> {
    match version {
        None | Some(SCHEMA) => Ok(()),
        Some(other) => Err(Problem::new(format!(
            "{what} is of schema version {other}, and {SCHEMA} is the only one known"
        ))),
    }
}

/// The entries of the top index by what they are called: with a name, or with
/// a word that names nothing but tells images apart all the same.
fn by_name(entries: Vec<Descriptor>) -> Result<Vec<(Option<Name>, Vec<Descriptor>)>> {
    let mut groups: Vec<(Option<Name>, Vec<Descriptor>)> = Vec::new();
    for entry in entries {
        let name = name_of(&entry)?;
        let alike = |d: &Descriptor| name.is_some() || tag(d) == tag(&entry);
        match groups.iter_mut().find(|(n, group)| *n == name && group.iter().any(alike)) {
            Some((_, group)) => group.push(entry),
            None => groups.push((name, vec![entry])),
        }
    }
    Ok(groups)
}

fn tag(descriptor: &Descriptor) -> Option<&str> {
    descriptor.annotation(REF_NAME)
}

/// A bare word in the specification's annotation is a tag, and no image can be
/// called by a tag alone.
fn name_of(descriptor: &Descriptor) -> Result<Option<Name>> {
    let full = descriptor.annotation(IMAGE_NAME);
    let short = descriptor.annotation(REF_NAME).filter(|n| n.contains(['/', ':']));
    let Some(text) = full.or(short) else { return Ok(None) };
    let reference: Reference =
        text.parse().map_err(|e| Problem::because(format!("its name {text:?} is none"), e))?;
    Ok(reference.named())
}

/// The images that entries of one name stand for: one, but for nameless
/// entries that say nothing of platforms, which are all images.
fn choose_top(source: &Source, group: Vec<Descriptor>, host: &Platform) -> Result<Vec<Descriptor>> {
    let builds = group.iter().any(|d| d.platform.is_some());
    let images = match group.len() {
        0 | 1 => group,
        _ if builds => vec![choose(&group, host)?],
        _ => group,
    };
    images.into_iter().map(|d| descend(source, d, host, 0)).collect()
}

/// Follows indexes down to an image.
fn descend(source: &Source, d: Descriptor, host: &Platform, depth: u32) -> Result<Descriptor> {
    if media::listed(&d.media_type).map_err(|p| p.of(&d.digest))? == Listed::Manifest {
        return Ok(d);
    }
    if depth == MAX_DEPTH {
        return Err(Problem::new(format!("its indexes are nested more than {MAX_DEPTH} deep")));
    }
    let bytes = read_described(source, &d)?;
    let index = parse_index(&blob_name(&d.digest), &bytes)?;
    descend(source, choose(&index.manifests, host)?, host, depth + 1)
}

/// The build for this host. One without a platform is taken where there is no
/// other: there is nothing to choose.
fn choose(builds: &[Descriptor], host: &Platform) -> Result<Descriptor> {
    let rank = |d: &Descriptor| d.platform.as_ref().and_then(|p| p.rank(host));
    if let Some(best) = builds.iter().filter(|d| rank(d).is_some()).min_by_key(|d| rank(d)) {
        return Ok(best.clone());
    }
    let real = |d: &&Descriptor| !d.platform.as_ref().is_some_and(Platform::is_unknown);
    let offered: Vec<_> = builds.iter().filter(real).collect();
    if let [only] = offered.as_slice()
        && only.platform.is_none()
    {
        return Ok((*only).clone());
    }
    let names = offered.iter().map(|d| match &d.platform {
        Some(platform) => platform.to_string(),
        None => "an unnamed platform".to_owned(),
    });
    let names: Vec<_> = names.collect();
    Err(Problem::new(format!(
        "it has no image for {host}: it has {}",
        if names.is_empty() { "none at all".to_owned() } else { names.join(", ") }
    )))
}

fn read_described(source: &Source, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let name = blob_name(&descriptor.digest);
    let bytes = read_verified(source, &name, &descriptor.digest)?;
    if bytes.len() as u64 != descriptor.size {
        let text = format!(
            "{name} has {} bytes, and its descriptor says {}",
            bytes.len(),
            descriptor.size
        );
        return Err(Problem::new(text));
    }
    Ok(bytes)
}

fn image(source: &Source, descriptor: &Descriptor, names: Vec<Name>) -> Result<FoundImage> {
    let content = read_described(source, descriptor)?;
    let what = blob_name(&descriptor.digest);
    let fields = parse_manifest(&what, &content, &descriptor.media_type)?;
    media::check_config(&fields.config.media_type).map_err(|p| p.of(&what))?;
    let config = read_config(read_described(source, &fields.config)?).map_err(|p| p.of(&what))?;
    check_count(&config, fields.layers.len())?;
    let layers = fields
        .layers
        .iter()
        .zip(config.diff_ids())
        .map(|(layer, diff_id)| layer_file(source, layer, diff_id))
        .collect::<Result<_>>()?;
    let manifest = Manifest {
        digest: descriptor.digest.clone(),
        media_type: descriptor.media_type.clone(),
        content,
    };
    Ok(FoundImage { config, manifest: Some(manifest), names, digests: Vec::new(), layers })
}

fn parse_manifest(what: &str, content: &[u8], media_type: &str) -> Result<ManifestFields> {
    let fields: ManifestFields = serde_json::from_slice(content)
        .map_err(|e| Problem::because(format!("{what} can't be understood"), e))?;
    check_schema(what, fields.schema_version)?;
    if fields.manifests.is_some() {
        return Err(Problem::new(format!("{what} is an index and a manifest at once")));
    }
    match &fields.media_type {
        Some(own) if own != media_type => {
            let text = format!("{what} says that it is a {own}, and its descriptor a {media_type}");
            Err(Problem::new(text))
        }
        _ => Ok(fields),
    }
}

fn layer_file(source: &Source, descriptor: &Descriptor, diff_id: &Digest) -> Result<LayerFile> {
    let name = blob_name(&descriptor.digest);
    let compression = media::layer(&descriptor.media_type).map_err(|p| p.of(&name))?;
    let layer = LayerFile {
        bytes: Arc::new(source.require(&name)?),
        name,
        diff_id: diff_id.clone(),
        blob: Some(descriptor.digest.clone()),
        compression: Some(compression),
    };
    layer.expect_len(descriptor.size)?;
    Ok(layer)
}
