//! A store in the form of Docker's or Podman's, and one of ours that imports
//! from it.

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;

use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Entry, Format, Image, Owner, TheirStore};
use serde_json::Value;

use crate::theirs::is_clean;

pub(crate) const BOTH: [Owner; 2] = [Owner::Docker, Owner::Podman];

/// A store with one image of two layers, and a store of ours with another.
pub(crate) struct Made {
    pub(crate) sapwood: Sapwood,
    theirs: TheirStore,
    _dir: tempfile::TempDir,
}

impl Deref for Made {
    type Target = TheirStore;

    fn deref(&self) -> &TheirStore {
        &self.theirs
    }
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
    pub(crate) fn new(owner: Owner) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sapwood = Sapwood::on("vfs");
        let other = Image::new("other:1").layer(|layer| layer.add(&Entry::file("other", "o")));
        let archive = dir.path().join("other.tar");
        other.write(&archive, Format::Docker, Compression::None).unwrap();
        sapwood.ok(["load", "-q", "-i", archive.to_str().unwrap()]);
        let theirs = TheirStore::write(&image(), &dir.path().join("store"), owner).unwrap();
        Self { sapwood, theirs, _dir: dir }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("")
    }

    /// The lines of a layer's record.
    pub(crate) fn lines(&self, layer: usize) -> Vec<Value> {
        self.theirs.lines(layer).unwrap()
    }

    pub(crate) fn write_record(&self, layer: usize, lines: &[Value]) {
        self.theirs.write_record(layer, lines).unwrap();
    }

    /// Changes a list of the store's.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap();
        change(&mut value);
        fs::write(self.path(name), value.to_string()).unwrap();
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
