//! Stores in the form of Docker's and Podman's, written here, so that they can
//! be damaged in every way on any machine.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::write::GzEncoder;
use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Entry, Format, Image};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::theirs::is_clean;

/// Whose store it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Docker,
    Podman,
}

pub(crate) const BOTH: [Kind; 2] = [Kind::Docker, Kind::Podman];

/// A store with one image of two layers, and a store of ours with another.
pub(crate) struct Made {
    pub(crate) kind: Kind,
    pub(crate) sapwood: Sapwood,
    pub(crate) id: String,
    pub(crate) diff_ids: Vec<String>,
    /// The store's own names of the layers.
    pub(crate) layers: Vec<String>,
    dir: tempfile::TempDir,
}

pub(crate) const NAME: &str = "localhost/made:1";

fn image() -> Image {
    Image::new(NAME)
        .layer(|layer| {
            layer.add(&Entry::dir("etc"))?;
            layer.add(&Entry::file("etc/one", "1".repeat(3000)))?;
            layer.add(&Entry::file("etc/two", "2".repeat(200)))
        })
        .layer(|layer| {
            layer.add(&Entry::dir("etc"))?;
            layer.add(&Entry::whiteout("etc/one"))?;
            layer.add(&Entry::file("etc/three", "3".repeat(70_000)))?;
            layer.add(&Entry::hard_link("etc/four", "etc/three"))
        })
}

impl Made {
    pub(crate) fn new(kind: Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sapwood = Sapwood::on("vfs");
        let other = Image::new("other:1").layer(|layer| layer.add(&Entry::file("other", "o")));
        let archive = dir.path().join("other.tar");
        other.write(&archive, Format::Docker, Compression::None).unwrap();
        sapwood.ok(["load", "-q", "-i", archive.to_str().unwrap()]);
        let layout = dir.path().join("layout");
        image().write(&layout, Format::OciFolder, Compression::None).unwrap();
        let mut made = Self {
            kind,
            sapwood,
            id: String::new(),
            diff_ids: Vec::new(),
            layers: Vec::new(),
            dir,
        };
        made.fill(&layout);
        made
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.store().join(name)
    }

    fn fill(&mut self, layout: &Path) {
        let blob = |digest: &Value| {
            let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
            fs::read(layout.join("blobs/sha256").join(hex)).unwrap()
        };
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let index = parse(&fs::read(layout.join("index.json")).unwrap());
        let manifest = blob(&index["manifests"][0]["digest"]);
        let descriptors = parse(&manifest);
        let config = blob(&descriptors["config"]["digest"]);
        self.id = hex(&config);
        let mut chain = String::new();
        for layer in descriptors["layers"].as_array().unwrap() {
            let tar = blob(&layer["digest"]);
            let diff_id = format!("sha256:{}", hex(&tar));
            chain = match chain.as_str() {
                "" => diff_id.clone(),
                below => format!("sha256:{}", hex(format!("{below} {diff_id}").as_bytes())),
            };
            self.diff_ids.push(diff_id);
            self.layers.push(chain["sha256:".len()..].to_owned());
            self.layer(self.layers.len() - 1, &tar);
        }
        match self.kind {
            Kind::Docker => self.docker(&config),
            Kind::Podman => self.podman(&config, &manifest),
        }
    }

    /// The directory of a layer's files.
    pub(crate) fn tree(&self, layer: usize) -> PathBuf {
        let driver = if self.kind == Kind::Docker { "overlay2" } else { "overlay" };
        self.path(format!("{driver}/{}/diff", self.layers[layer]))
    }

    /// A layer's record.
    pub(crate) fn record(&self, layer: usize) -> PathBuf {
        let id = &self.layers[layer];
        self.path(match self.kind {
            Kind::Docker => format!("image/overlay2/layerdb/sha256/{id}/tar-split.json.gz"),
            Kind::Podman => format!("overlay-layers/{id}.tar-split.gz"),
        })
    }

    fn layer(&self, layer: usize, tar: &[u8]) {
        fs::create_dir_all(self.tree(layer)).unwrap();
        let lines = split(tar, &self.tree(layer));
        fs::create_dir_all(self.record(layer).parent().unwrap()).unwrap();
        self.write_record(layer, &lines);
        if self.kind == Kind::Docker {
            let folder = self.record(layer).parent().unwrap().to_owned();
            let id = &self.layers[layer];
            let notes =
                [("diff", self.diff_ids[layer].as_str()), ("cache-id", id), ("size", "3200")];
            for (name, text) in notes {
                fs::write(folder.join(name), text).unwrap();
            }
        }
    }

    /// The uncompressed record.
    pub(crate) fn lines(&self, layer: usize) -> Vec<Value> {
        let file = flate2::read::GzDecoder::new(File::open(self.record(layer)).unwrap());
        let values = serde_json::Deserializer::from_reader(file).into_iter();
        values.map(Result::unwrap).collect()
    }

    pub(crate) fn write_record(&self, layer: usize, lines: &[Value]) {
        let file = File::create(self.record(layer)).unwrap();
        let mut file = GzEncoder::new(file, flate2::Compression::fast());
        for line in lines {
            writeln!(file, "{line}").unwrap();
        }
        file.finish().unwrap();
    }

    fn docker(&self, config: &[u8]) {
        let content = self.path("image/overlay2/imagedb/content/sha256");
        fs::create_dir_all(&content).unwrap();
        fs::write(self.config(), config).unwrap();
        let names = json!({ "localhost/made": { NAME: format!("sha256:{}", self.id) } });
        self.write_json("image/overlay2/repositories.json", &json!({ "Repositories": names }));
    }

    fn podman(&self, config: &[u8], manifest: &[u8]) {
        fs::create_dir_all(self.config().parent().unwrap()).unwrap();
        fs::write(self.config(), config).unwrap();
        fs::write(self.config().with_file_name("manifest"), manifest).unwrap();
        let image = json!({
            "id": self.id, "names": [NAME], "layer": self.layers.last(),
            "digest": format!("sha256:{}", hex(manifest)),
            "big-data-digests": { "manifest": format!("sha256:{}", hex(manifest)) },
        });
        self.write_json("overlay-images/images.json", &json!([image]));
        let row = |n: usize| {
            let parent = n.checked_sub(1).map(|n| &self.layers[n]);
            json!({ "id": self.layers[n], "parent": parent, "diff-digest": self.diff_ids[n],
                    "diff-size": 5000 })
        };
        let rows: Vec<_> = (0..self.layers.len()).map(row).collect();
        self.write_json("overlay-layers/layers.json", &json!(rows));
    }

    /// The image's configuration.
    pub(crate) fn config(&self) -> PathBuf {
        let id = &self.id;
        self.path(match self.kind {
            Kind::Docker => format!("image/overlay2/imagedb/content/sha256/{id}"),
            Kind::Podman => {
                let name = STANDARD.encode(format!("sha256:{id}"));
                format!("overlay-images/{id}/={name}")
            }
        })
    }

    pub(crate) fn write_json(&self, name: &str, value: &Value) {
        fs::write(self.path(name), value.to_string()).unwrap();
    }

    /// Changes a list of the store's.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap();
        change(&mut value);
        self.write_json(name, &value);
    }

    /// Imports everything; what is printed.
    #[track_caller]
    pub(crate) fn import(&self) -> String {
        self.sapwood.ok(["image", "import-from", self.store().to_str().unwrap()])
    }

    /// Checks that importing fails with all of `words` in its one line, and
    /// that our store is as before.
    #[track_caller]
    pub(crate) fn refuses(&self, words: &[&str]) {
        let state = || {
            let nodes = self.sapwood.ok(["storage", "ls", "--format", "json"]);
            (self.sapwood.ok(["images", "--format", "json"]), nodes)
        };
        let before = state();
        let (status, said) =
            self.sapwood.fails(["image", "import-from", self.store().to_str().unwrap()]);
        assert_eq!(status, 1, "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} isn't in: {said}");
        }
        assert_eq!(state(), before, "{said}");
        is_clean(&self.sapwood);
    }
}

/// tar-split's record of an archive, as lines, and its files in `tree`.
fn split(tar: &[u8], tree: &Path) -> Vec<Value> {
    let (mut lines, mut done) = (Vec::new(), 0);
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let start = usize::try_from(entry.raw_file_position()).unwrap();
        lines.push(json!({ "type": 2, "payload": STANDARD.encode(&tar[done..start]) }));
        let name = entry.path_bytes().into_owned();
        let path = tree.join(OsStr::from_bytes(&name));
        match entry.header().entry_type() {
            tar::EntryType::Directory => fs::create_dir_all(&path).unwrap(),
            tar::EntryType::Regular if !name.windows(4).any(|w| w == b".wh.") => {
                std::io::copy(&mut entry, &mut File::create(&path).unwrap()).unwrap();
            }
            tar::EntryType::Link => {
                let target = tree.join(entry.link_name().unwrap().unwrap());
                fs::hard_link(target, &path).unwrap();
            }
            _ => {}
        }
        let size = entry.size();
        lines.push(json!({ "type": 1, "name": String::from_utf8(name).unwrap(), "size": size }));
        done = start + usize::try_from(size).unwrap();
    }
    lines.push(json!({ "type": 2, "payload": STANDARD.encode(&tar[done..]) }));
    lines
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
