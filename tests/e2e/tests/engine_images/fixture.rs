//! An engine on a model driver of its own, images small enough to load in a
//! blink, and layouts that can be changed before they are loaded.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use graphdriver_api::{DriverFactory, DriverOptions, GraphDriver, NodeId};
use graphdriver_conformance::model::ModelFactory;
use sapwood_e2e::images::{Compression, Entry, Format, Image};
use sapwood_engine::image::{Loaded, Silent};
use sapwood_engine::store::Root;
use sapwood_engine::{Engine, Error};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A store, and a folder for archives.
pub(crate) struct Fixture {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) engine: Engine,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(&dir.path().join("root"));
        Self { dir, engine }
    }

    /// The same store, as another process would open it.
    pub(crate) fn again(&self) -> Engine {
        open(&self.dir.path().join("root"))
    }

    /// The names in the engine's folder, in order.
    pub(crate) fn beside_the_records(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.engine.store().dir()).unwrap();
        let names = names.map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn archive(
        &self,
        image: &Image,
        format: Format,
        compression: Compression,
    ) -> PathBuf {
        let path = self.path(&format!("{format:?}-{compression:?}"));
        image.write(&path, format, compression).unwrap();
        path
    }

    pub(crate) fn load(&self, path: &Path) -> Result<Vec<Loaded>, Error> {
        self.engine.load(File::open(path).unwrap(), "the archive", &Silent)
    }

    /// Loads an image that has nothing wrong with it; its id.
    #[track_caller]
    pub(crate) fn loaded(&self, image: &Image) -> String {
        let path = self.archive(image, Format::OciFolder, Compression::None);
        let loaded = self.load(&path).unwrap();
        fs::remove_dir_all(path).unwrap();
        loaded[0].id.to_string()
    }

    /// What there is: images with their names, and the driver's nodes.
    pub(crate) fn state(&self) -> (Vec<String>, Vec<NodeId>) {
        let images = self.engine.images().unwrap();
        let images = images.iter().map(|i| {
            let names: Vec<_> = i.names.iter().map(ToString::to_string).collect();
            format!("{} {}", i.id, names.join(" "))
        });
        (images.collect(), self.nodes())
    }

    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.engine.driver().list().unwrap().into_iter().map(|n| n.id).collect()
    }

    /// Checks that loading fails with all of `words` in its one line, and that
    /// nothing is left of it.
    #[track_caller]
    pub(crate) fn refuses(&self, path: &Path, words: &[&str]) {
        let before = self.state();
        let report = self.load(path).unwrap_err().report();
        for word in words {
            assert!(report.contains(word), "{word:?} isn't in: {report}");
        }
        assert!(!report.contains('\n'), "{report}");
        assert_eq!(self.state(), before, "{report}");
    }
}

fn open(root: &Path) -> Engine {
    let root = Root::open(root).unwrap();
    let driver: Arc<dyn GraphDriver> =
        ModelFactory::new().open(&root.path().join("model"), &DriverOptions::default()).unwrap();
    Engine::open(root, driver).unwrap()
}

/// Three layers; the middle one changes what the lowest brought.
pub(crate) fn three_layers(name: &str) -> Image {
    Image::new(name)
        .layer(|layer| {
            layer.add(&Entry::dir("etc"))?;
            layer.add(&Entry::file("etc/one", "1".repeat(3000)))
        })
        .layer(|layer| {
            layer.add(&Entry::dir("etc"))?;
            layer.add(&Entry::whiteout("etc/one"))?;
            layer.add(&Entry::file("etc/two", "2".repeat(200)))
        })
        .layer(|layer| layer.add(&Entry::file("three", "3".repeat(10))))
}

/// An OCI layout in a folder, of which anything can be changed.
pub(crate) struct Layout(pub(crate) PathBuf);

impl Layout {
    pub(crate) fn new(fixture: &Fixture, image: &Image, compression: Compression) -> Self {
        Self(fixture.archive(image, Format::OciFolder, compression))
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.0.join(name)).unwrap()).unwrap()
    }

    /// Adds a blob; its descriptor without a media type.
    pub(crate) fn blob(&self, content: &[u8]) -> (String, usize) {
        let digest: String = Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect();
        fs::write(self.0.join("blobs/sha256").join(&digest), content).unwrap();
        (format!("sha256:{digest}"), content.len())
    }

    pub(crate) fn blob_path(&self, digest: &Value) -> PathBuf {
        let digest = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
        self.0.join("blobs/sha256").join(digest)
    }

    pub(crate) fn manifest(&self) -> Value {
        let index = self.json("index.json");
        let path = self.blob_path(&index["manifests"][0]["digest"]);
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    pub(crate) fn config(&self) -> Value {
        let path = self.blob_path(&self.manifest()["config"]["digest"]);
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    /// Puts another manifest in the place of the one that is there.
    pub(crate) fn set_manifest(&self, manifest: &Value) {
        let (digest, size) = self.blob(manifest.to_string().as_bytes());
        let mut index = self.json("index.json");
        index["manifests"][0]["digest"] = digest.into();
        index["manifests"][0]["size"] = size.into();
        self.set_index(&index);
    }

    pub(crate) fn set_config(&self, config: &Value) {
        let (digest, size) = self.blob(config.to_string().as_bytes());
        let mut manifest = self.manifest();
        manifest["config"]["digest"] = digest.into();
        manifest["config"]["size"] = size.into();
        self.set_manifest(&manifest);
    }

    pub(crate) fn set_index(&self, index: &Value) {
        fs::write(self.0.join("index.json"), index.to_string()).unwrap();
    }

    /// The folder as a tar, entries named as `tar -c .` names them.
    pub(crate) fn pack(&self, path: &Path) {
        let mut tar = tar::Builder::new(File::create(path).unwrap());
        tar.append_dir_all(".", &self.0).unwrap();
        tar.finish().unwrap();
    }
}
