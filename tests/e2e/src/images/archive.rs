//! The two archive formats: `docker save`'s, and the OCI image layout.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::str::FromStr;

use serde_json::{Value, json};
use tar::{Builder, Header};

use crate::images::EPOCH;
use crate::images::compression::Compression;
use crate::images::error::Error;
use crate::images::image::Image;
use crate::images::layer::LayerWriter;
use crate::images::store::{Blob, Digesting, Store};

/// In which form an image is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A tar as `docker save` wrote it before version 25: manifest.json and a folder a layer.
    Docker,
    /// A tar of an OCI image layout.
    OciTar,
    /// A folder with an OCI image layout.
    OciFolder,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "docker" => Ok(Self::Docker),
            "oci" => Ok(Self::OciTar),
            "oci-folder" => Ok(Self::OciFolder),
            _ => Err(format!("format `{text}` is unknown: choose docker, oci or oci-folder")),
        }
    }
}

pub(crate) fn write(
    image: &Image,
    path: &Path,
    format: Format,
    compression: Compression,
) -> Result<(), Error> {
    let mut store = Store::beside(path)?;
    let mut layers = Vec::new();
    for recipe in &image.layers {
        let made = store.add(|out| compression.wrap(out, |out| layer(recipe, out)))?;
        layers.push(made);
    }
    let (blobs, diff_ids): (Vec<Blob>, Vec<String>) = layers.into_iter().unzip();
    let (config, ()) = store.add(|out| write_json(out, &image.config(&diff_ids)))?;
    let members = match format {
        Format::Docker => docker(image, &config, &blobs),
        Format::OciTar | Format::OciFolder => {
            let (manifest, ()) =
                store.add(|out| write_json(out, &manifest(&config, &blobs, compression)))?;
            oci(image, config, blobs, manifest)
        }
    };
    match format {
        Format::OciFolder => write_folder(path, &members),
        Format::Docker | Format::OciTar => write_tar(path, &members),
    }
}

/// Writes one layer's tar, and returns its diff ID.
fn layer(
    recipe: &dyn Fn(&mut LayerWriter<'_>) -> io::Result<()>,
    out: &mut dyn Write,
) -> io::Result<String> {
    let mut out = Digesting::new(out);
    let mut writer = LayerWriter::new(&mut out);
    recipe(&mut writer)?;
    writer.finish()?;
    Ok(format!("sha256:{}", out.finish().0))
}

fn write_json(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    Ok(serde_json::to_writer(out, value)?)
}

/// A file of the archive.
struct Member {
    name: String,
    content: Content,
}

enum Content {
    Json(Value),
    Blob(Blob),
}

fn docker(image: &Image, config: &Blob, layers: &[Blob]) -> Vec<Member> {
    let config_name = format!("{}.json", config.digest);
    // Two layers may have the same content: the place in the list makes the folder's name differ.
    let place = |(index, layer): (usize, &Blob)| format!("{}-{index}/layer.tar", layer.digest);
    let names: Vec<String> = layers.iter().enumerate().map(place).collect();
    let manifest = json!([{ "Config": config_name, "RepoTags": [image.name], "Layers": names }]);
    let mut members = vec![member(config_name, Content::Blob(config.clone()))];
    let layers = layers.iter().cloned().map(Content::Blob);
    members.extend(names.into_iter().zip(layers).map(|(name, content)| member(name, content)));
    members.push(member("manifest.json".to_owned(), Content::Json(manifest)));
    members
}

fn member(name: String, content: Content) -> Member {
    Member { name, content }
}

const OCI: &str = "application/vnd.oci.image";

fn descriptor(kind: &str, blob: &Blob) -> Value {
    let digest = format!("sha256:{}", blob.digest);
    json!({ "mediaType": format!("{OCI}.{kind}"), "digest": digest, "size": blob.size })
}

fn manifest(config: &Blob, layers: &[Blob], compression: Compression) -> Value {
    let kind = format!("layer.v1.tar{}", compression.suffix());
    let layers = layers.iter().map(|layer| descriptor(&kind, layer));
    json!({
        "schemaVersion": 2,
        "mediaType": format!("{OCI}.manifest.v1+json"),
        "config": descriptor("config.v1+json", config),
        "layers": layers.collect::<Vec<_>>(),
    })
}

fn oci(image: &Image, config: Blob, layers: Vec<Blob>, manifest: Blob) -> Vec<Member> {
    let mut top = descriptor("manifest.v1+json", &manifest);
    top["annotations"] = json!({
        "org.opencontainers.image.ref.name": image.name,
        "io.containerd.image.name": image.name,
    });
    let index = json!({ "schemaVersion": 2, "manifests": [top] });
    let mut members = vec![
        member("oci-layout".to_owned(), Content::Json(json!({ "imageLayoutVersion": "1.0.0" }))),
        member("index.json".to_owned(), Content::Json(index)),
    ];
    let mut blobs: Vec<Blob> = layers.into_iter().chain([config, manifest]).collect();
    blobs.sort_by(|one, other| one.digest.cmp(&other.digest));
    blobs.dedup_by(|one, other| one.digest == other.digest);
    let place = |blob: Blob| member(format!("blobs/sha256/{}", blob.digest), Content::Blob(blob));
    members.extend(blobs.into_iter().map(place));
    members
}

/// Opens a member for reading, and says how long it is.
fn open(member: &Member) -> Result<(Box<dyn Read>, u64), Error> {
    match &member.content {
        Content::Json(value) => {
            let text = value.to_string().into_bytes();
            let length = text.len() as u64;
            Ok((Box::new(io::Cursor::new(text)), length))
        }
        Content::Blob(blob) => {
            let file = File::open(&blob.path).map_err(Error::at("open", &blob.path))?;
            Ok((Box::new(file), blob.size))
        }
    }
}

fn write_tar(path: &Path, members: &[Member]) -> Result<(), Error> {
    let file = File::create(path).map_err(Error::at("create", path))?;
    let mut tar = Builder::new(BufWriter::new(file));
    for member in members {
        let (content, length) = open(member)?;
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_mtime(EPOCH);
        header.set_size(length);
        tar.append_data(&mut header, &member.name, content).map_err(Error::at("write", path))?;
    }
    let mut out = tar.into_inner().map_err(Error::at("write", path))?;
    out.flush().map_err(Error::at("write", path))
}

fn write_folder(path: &Path, members: &[Member]) -> Result<(), Error> {
    for member in members {
        let place = path.join(&member.name);
        let parent = place.parent().unwrap_or(path);
        fs::create_dir_all(parent).map_err(Error::at("create", parent))?;
        let (mut content, _) = open(member)?;
        let mut file = File::create(&place).map_err(Error::at("create", &place))?;
        io::copy(&mut content, &mut file).map_err(Error::at("write", &place))?;
    }
    Ok(())
}
