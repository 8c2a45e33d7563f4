//! Images in the form in which Docker and Podman keep them, so that a test can
//! have such a store on any machine, and damage it in every way.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::EntryType;

use crate::images::archive::Format;
use crate::images::compression::Compression;
use crate::images::error::Error;
use crate::images::image::Image;

/// Whose form a store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Docker's, with overlay2.
    Docker,
    /// Podman's (containers/storage), with overlay.
    Podman,
}

/// A store with one image.
#[derive(Debug)]
pub struct TheirStore {
    /// Whose.
    pub owner: Owner,
    /// The image's id, in hexadecimal.
    pub id: String,
    /// The digest of each layer's tar, from the lowest up.
    pub diff_ids: Vec<String>,
    /// What the store calls the layers.
    pub layers: Vec<String>,
    path: PathBuf,
}

impl TheirStore {
    /// Writes `image` as such a store into the new folder `path`. Layers may
    /// have directories, files, links and whiteouts, each path once.
    ///
    /// # Errors
    ///
    /// The image could not be made, or the store not be written.
    pub fn write(image: &Image, path: &Path, owner: Owner) -> Result<Self, Error> {
        let mut store = Self {
            owner,
            id: String::new(),
            diff_ids: Vec::new(),
            layers: Vec::new(),
            path: path.to_owned(),
        };
        let layout = store.path("layout");
        fs::create_dir_all(path).map_err(Error::at("create", path))?;
        image.write(&layout, Format::OciFolder, Compression::None)?;
        let filled = store.fill(&image.name, &layout);
        filled.and_then(|()| fs::remove_dir_all(layout)).map_err(Error::at("fill", path))?;
        Ok(store)
    }

    /// A path in the store; its folder for an empty name.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// The directory of a layer's files.
    #[must_use]
    pub fn tree(&self, layer: usize) -> PathBuf {
        let driver = if self.owner == Owner::Docker { "overlay2" } else { "overlay" };
        self.path(format!("{driver}/{}/diff", self.layer_name(layer)))
    }

    /// A layer's tar-split record.
    #[must_use]
    pub fn record(&self, layer: usize) -> PathBuf {
        let id = self.layer_name(layer);
        self.path(match self.owner {
            Owner::Docker => format!("image/overlay2/layerdb/sha256/{id}/tar-split.json.gz"),
            Owner::Podman => format!("overlay-layers/{id}.tar-split.gz"),
        })
    }

    /// The image's configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        let id = &self.id;
        self.path(match self.owner {
            Owner::Docker => format!("image/overlay2/imagedb/content/sha256/{id}"),
            Owner::Podman => {
                let name = STANDARD.encode(format!("sha256:{id}"));
                format!("overlay-images/{id}/={name}")
            }
        })
    }

    /// The lines of a layer's record.
    ///
    /// # Errors
    ///
    /// It could not be read.
    pub fn lines(&self, layer: usize) -> io::Result<Vec<Value>> {
        let file = flate2::read::GzDecoder::new(File::open(self.record(layer))?);
        let values = serde_json::Deserializer::from_reader(file).into_iter();
        values.map(|value| value.map_err(io::Error::from)).collect()
    }

    /// Gives a layer another record.
    ///
    /// # Errors
    ///
    /// It could not be written.
    pub fn write_record(&self, layer: usize, lines: &[Value]) -> io::Result<()> {
        let file = File::create(self.record(layer))?;
        let mut file = GzEncoder::new(file, flate2::Compression::fast());
        for line in lines {
            writeln!(file, "{line}")?;
        }
        file.finish().map(drop)
    }

    fn layer_name(&self, layer: usize) -> &str {
        self.layers.get(layer).map_or("", String::as_str)
    }

    fn fill(&mut self, name: &str, layout: &Path) -> io::Result<()> {
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap_or_default();
            fs::read(layout.join("blobs").join(digest.replace(':', "/")))
        };
        let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
        let manifest = blob(&index["manifests"][0])?;
        let descriptors: Value = serde_json::from_slice(&manifest)?;
        let config = blob(&descriptors["config"])?;
        self.id = hex(&config);
        for layer in descriptors["layers"].as_array().into_iter().flatten() {
            self.layer(&blob(layer)?)?;
        }
        match self.owner {
            Owner::Docker => self.docker(name, &config),
            Owner::Podman => self.podman(name, &config, &manifest),
        }
    }

    fn layer(&mut self, tar: &[u8]) -> io::Result<()> {
        let diff_id = format!("sha256:{}", hex(tar));
        let chain = match self.layers.last() {
            None => hex(tar),
            Some(below) => hex(format!("sha256:{below} {diff_id}").as_bytes()),
        };
        let layer = self.layers.len();
        self.layers.push(chain.clone());
        self.diff_ids.push(diff_id.clone());
        fs::create_dir_all(self.tree(layer))?;
        let record = self.record(layer);
        if let Some(folder) = record.parent() {
            fs::create_dir_all(folder)?;
        }
        self.write_record(layer, &split(tar, &self.tree(layer))?)?;
        if self.owner == Owner::Docker {
            for (note, text) in [("diff", diff_id), ("cache-id", chain), ("size", "3200".into())] {
                fs::write(record.with_file_name(note), text)?;
            }
        }
        Ok(())
    }

    fn docker(&self, name: &str, config: &[u8]) -> io::Result<()> {
        fs::create_dir_all(self.path("image/overlay2/imagedb/content/sha256"))?;
        fs::write(self.config(), config)?;
        let repository = name.rsplit_once(':').map_or(name, |(repository, _)| repository);
        let names = json!({ repository: { name: format!("sha256:{}", self.id) } });
        let names = json!({ "Repositories": names });
        fs::write(self.path("image/overlay2/repositories.json"), names.to_string())
    }

    fn podman(&self, name: &str, config: &[u8], manifest: &[u8]) -> io::Result<()> {
        fs::create_dir_all(self.path(format!("overlay-images/{}", self.id)))?;
        fs::write(self.config(), config)?;
        fs::write(self.config().with_file_name("manifest"), manifest)?;
        let digest = format!("sha256:{}", hex(manifest));
        let image = json!({
            "id": self.id, "names": [name], "layer": self.layers.last(), "digest": digest,
            "big-data-digests": { "manifest": digest },
        });
        fs::write(self.path("overlay-images/images.json"), json!([image]).to_string())?;
        let mut below = None;
        let mut rows = Vec::new();
        for (id, diff_id) in self.layers.iter().zip(&self.diff_ids) {
            rows.push(json!({
                "id": id, "parent": below, "diff-digest": diff_id, "diff-size": 5000,
            }));
            below = Some(id);
        }
        fs::write(self.path("overlay-layers/layers.json"), json!(rows).to_string())
    }
}

/// tar-split's record of an archive, as lines, and its files in `tree`.
fn split(tar: &[u8], tree: &Path) -> io::Result<Vec<Value>> {
    let segment = |from: usize, to: usize| {
        let bytes = tar.get(from..to).unwrap_or_default();
        json!({ "type": 2, "payload": STANDARD.encode(bytes) })
    };
    let (mut lines, mut done) = (Vec::new(), 0);
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let start = usize::try_from(entry.raw_file_position()).map_err(io::Error::other)?;
        let size = usize::try_from(entry.size()).map_err(io::Error::other)?;
        lines.push(segment(done, start));
        lines.push(file_line(&entry.path_bytes(), size));
        unpack(&mut entry, tree)?;
        done = start + size;
    }
    lines.push(segment(done, tar.len()));
    Ok(lines)
}

fn file_line(name: &[u8], size: usize) -> Value {
    match std::str::from_utf8(name) {
        Ok(name) => json!({ "type": 1, "name": name, "size": size }),
        Err(_) => json!({ "type": 1, "name_raw": STANDARD.encode(name), "size": size }),
    }
}

fn unpack(entry: &mut tar::Entry<'_, &[u8]>, tree: &Path) -> io::Result<()> {
    let name = entry.path_bytes().into_owned();
    let path = tree.join(OsStr::from_bytes(&name));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match entry.header().entry_type() {
        EntryType::Directory => fs::create_dir_all(path),
        EntryType::Regular if !name.windows(4).any(|part| part == b".wh.") => {
            io::copy(entry, &mut File::create(path)?).map(drop)
        }
        EntryType::Link => {
            let target = entry.link_name_bytes().unwrap_or_default();
            let target = tree.join(OsStr::from_bytes(&target));
            // Not that of a layer below; nobody reads its bytes from here.
            if target.try_exists()? { fs::hard_link(target, path) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
