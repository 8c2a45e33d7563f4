//! A store with an image of two layers, in which there is one of everything.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sapwood_e2e::Sapwood;
use serde_json::Value;

use crate::archives::layout::Layout;
use crate::archives::tree::touch;
use crate::archives::{Item, Room, archive};

pub(crate) const DRIVERS: [&str; 2] = ["overlay2", "vfs"];

/// A capability set as the kernel stores it: CAP_NET_RAW, effective.
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// One with an image of two layers.
pub(crate) struct Store {
    pub(crate) sapwood: Sapwood,
    pub(crate) driver: &'static str,
    /// Chain IDs, the lower first.
    pub(crate) layers: [String; 2],
}

pub(crate) fn lower() -> Vec<u8> {
    archive(&[
        Item::dir("d/"),
        Item::file("d/hidden", "hidden"),
        Item::file("gone", "gone"),
        Item::dir("usr/"),
        Item::dir("usr/bin/"),
        Item::file("usr/bin/lower", "lower").mode(0o755),
        Item::symlink("bin", "usr/bin"),
    ])
}

pub(crate) fn upper() -> Vec<u8> {
    archive(&[
        Item::dir("d/"),
        Item::file("d/.wh..wh..opq", ""),
        Item::file("d/new", "new").mtime(5, 123_456_789),
        Item::file(".wh.gone", ""),
        Item::file("file", "content").xattr("user.note", "1").owner(1000, 1000),
        Item::file("cap", "content").xattr("security.capability", CAPABILITY),
        Item::symlink("link", "file"),
        Item::file("one", "content"),
        Item::link("two", "one"),
        Item::device(b'3', "null", 1, 3),
        Item::new(b'6', "fifo"),
        Item::file("bin/tool", "tool").mode(0o4755),
        Item::file("empty", ""),
        Item::dir("e/"),
        Item::file("e/f", "content"),
        // Its bytes are in the outline.
        Item::file("sparse", "firstlast!")
            .pax("GNU.sparse.size", "300005")
            .pax("GNU.sparse.map", "0,5,300000,5"),
    ])
}

/// A layer that brings a path twice: all of it is in the outline.
pub(crate) fn twice() -> Vec<u8> {
    archive(&[Item::file("dup", "1"), Item::file("held", "content"), Item::file("dup", "2")])
}

impl Store {
    pub(crate) fn new(driver: &'static str) -> Self {
        Self::of(driver, &[lower(), upper()])
    }

    pub(crate) fn of(driver: &'static str, layers: &[Vec<u8>; 2]) -> Self {
        let (room, sapwood) = (Room::new(), Sapwood::on(driver));
        let layout = Layout::write(&room.path().join("layout"), layers);
        sapwood.ok(["load", "-q", "-i", layout.path().to_str().unwrap()]);
        let db = sapwood.root().join("engine").join(driver).join("metadata.db");
        let db = rusqlite::Connection::open(db).unwrap();
        let one = |query: &str| db.query_row(query, (), |row| row.get(0)).unwrap();
        let top: String = one("SELECT top FROM image");
        let beneath = one(&format!("SELECT parent FROM layer WHERE chain_id = '{top}'"));
        Self { sapwood, driver, layers: [beneath, top] }
    }

    pub(crate) fn outlines(&self) -> PathBuf {
        self.sapwood.root().join("engine").join(self.driver).join("outlines")
    }

    /// The directory with a layer's files.
    pub(crate) fn tree(&self, layer: usize) -> PathBuf {
        let layers = self.sapwood.root().join(self.driver).join("layers");
        layers.join(&self.layers[layer]).join(if self.driver == "vfs" { "tree" } else { "diff" })
    }

    /// Does something to a layer's tree, and sets all times back.
    pub(crate) fn keeping_times(&self, layer: usize, does: impl FnOnce(&Path)) {
        let root = self.tree(layer);
        let times: Vec<_> = every_path(&root)
            .into_iter()
            .map(|path| {
                let meta = fs::symlink_metadata(&path).unwrap();
                (path, meta.mtime(), meta.mtime_nsec() as u32)
            })
            .collect();
        does(&root);
        for (path, sec, nsec) in times {
            if path.symlink_metadata().is_ok() {
                touch(&path, sec, nsec);
            }
        }
    }

    /// The exit status, the findings of `check --content`, each as its code, the
    /// number of its layer and its words; and how many layers weren't verified.
    pub(crate) fn check(&self) -> (i32, Vec<(String, usize, String)>, usize) {
        let done = self.sapwood.output(["storage", "check", "--content", "--format", "json"]);
        let report: Value = serde_json::from_slice(&done.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&done.stderr)));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let findings = report[0]["findings"].as_array().unwrap().iter().map(|finding| {
            let id = text(&finding["subject"]["id"]);
            let layer = self.layers.iter().position(|layer| *layer == id).unwrap();
            (text(&finding["code"]), layer, text(&finding["what"]))
        });
        let mut findings: Vec<_> = findings.collect();
        findings.sort();
        let unverified = report[0]["unverified"].as_array().unwrap().len();
        (done.status.code().unwrap(), findings, unverified)
    }

    /// The findings about content, of which each must be of the same layer.
    pub(crate) fn found(&self, layer: usize) -> Vec<(String, String)> {
        let (status, found, unverified) = self.check();
        assert_eq!((status, unverified), (i32::from(!found.is_empty()), 0), "{found:?}");
        assert!(found.iter().all(|(_, which, _)| *which == layer), "{found:?}");
        let found = found.into_iter().map(|(code, _, what)| (code, what));
        found.filter(|(code, _)| code != "layer-account").collect()
    }
}

fn every_path(root: &Path) -> Vec<PathBuf> {
    let (mut all, mut rest) = (vec![root.to_owned()], vec![root.to_owned()]);
    while let Some(dir) = rest.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                rest.push(entry.path());
            }
            all.push(entry.path());
        }
    }
    all
}
