//! Twenty layers with every kind of file, there and back: loaded from an OCI
//! layout, given out layer by layer, loaded again by another driver. umoci and
//! GNU tar judge what becomes of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::string_slice, reason = "ids are ASCII")]

#[path = "../../../drivers/kit/tests/archives/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the kit's own tests use the rest")]
mod archives;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use archives::edits::{Editor, Without};
use archives::layout::Layout;
use archives::tree::{assert_same, copy};
use archives::{Room, Tree, diff, not_run, snapshot};
use sapwood_e2e::Sapwood;
use serde_json::Value;

const LAYERS: usize = 20;

/// The layers, as archives, and the tree that they make.
fn image(room: &Room) -> (Vec<Vec<u8>>, Tree) {
    let (root, before) = (room.root(), room.path().join("before"));
    // GNU tar can't name attributes with an equals sign in them.
    let without = Without { equals_signs: true, ..Without::default() };
    let mut editor = Editor::new(&root, 23, without);
    let mut layers = Vec::new();
    for layer in 0..LAYERS {
        if layer > 0 {
            copy(&root, &before);
        }
        editor.edit(if layer == 0 { 150 } else { 30 });
        layers.push(diff((layer > 0).then_some(&before), &root));
        if layer > 0 {
            fs::remove_dir_all(&before).unwrap();
        }
    }
    (layers, snapshot(&root))
}

/// Loads a layout and gives the layers' ids, the lowest first.
fn load(sapwood: &Sapwood, layout: &Layout) -> Vec<String> {
    sapwood.ok(["load", "-q", "-i", layout.path().to_str().unwrap()]);
    let Value::Array(mut nodes) = sapwood.json(["storage", "ls", "--format", "json"]) else {
        panic!("no list")
    };
    nodes.sort_by_key(|node| node["depth"].as_u64());
    assert_eq!(nodes.len(), LAYERS);
    nodes.iter().map(|node| format!("layer:{}", node["id"]["layer"].as_str().unwrap())).collect()
}

/// The tree of a layer, as the driver shows it.
fn shown(sapwood: &Sapwood, layer: &str) -> Tree {
    let place = PathBuf::from(sapwood.ok(["storage", "mount", layer]).trim_end());
    let tree = snapshot(&place);
    sapwood.ok(["storage", "unmount", place.to_str().unwrap()]);
    tree
}

/// What the driver gives out of each layer.
fn given_out(sapwood: &Sapwood, layers: &[String], room: &Room) -> Vec<Vec<u8>> {
    let file = room.path().join("layer.tar");
    let one = |layer: &String| {
        sapwood.ok(["storage", "diff", layer, "-o", file.to_str().unwrap()]);
        fs::read(&file).unwrap()
    };
    layers.iter().map(one).collect()
}

fn runs(program: &str, package: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
    if !found {
        not_run(&format!("{program} is missing: apt-get install {package}"));
    }
    found
}

#[track_caller]
fn run(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {args:?}: {said}");
}

fn by_umoci(layout: &Layout, room: &Room, name: &str) -> Tree {
    let bundle = room.path().join(name);
    let image = format!("{}:image", layout.path().display());
    run("umoci", &["unpack", "--image", &image, bundle.to_str().unwrap()]);
    snapshot(&bundle.join("rootfs"))
}

/// GNU tar doesn't know whiteouts, doesn't put a file where a directory is, and
/// takes no attribute away from a directory: that is done by hand, first.
fn by_gnu_tar(layers: &[Vec<u8>], room: &Room, name: &str) -> Tree {
    let root = room.dir(name);
    let file = room.path().join("one.tar");
    for layer in layers {
        fs::write(&file, layer).unwrap();
        for entry in tar::Archive::new(&layer[..]).entries().unwrap() {
            make_way(&root, &entry.unwrap());
        }
        let paths = ["-xpf", file.to_str().unwrap(), "-C", root.to_str().unwrap()];
        let how = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "--no-acls"];
        run("tar", &[&paths[..], &how, &["--delay-directory-restore", "--exclude=.wh.*"]].concat());
    }
    snapshot(&root)
}

fn make_way(root: &Path, entry: &tar::Entry<'_, &[u8]>) {
    let place = root.join(OsStr::from_bytes(&entry.path_bytes()));
    let name = place.file_name().unwrap_or_default().as_bytes();
    assert_ne!(name, b".wh..wh..opq", "nothing here makes a directory opaque");
    if let Some(name) = name.strip_prefix(b".wh.") {
        archives::edits::remove(&place.with_file_name(OsStr::from_bytes(name)));
    } else if fs::symlink_metadata(&place).is_ok_and(|old| old.is_dir()) {
        match entry.header().entry_type().is_dir() {
            true => strip(&place),
            false => fs::remove_dir_all(&place).unwrap(),
        }
    }
}

/// A default ACL above all, which new files would inherit.
fn strip(dir: &Path) {
    let dir = archives::open(dir);
    let mut names = vec![0; 1 << 16];
    let length = rustix::fs::flistxattr(&dir, &mut names).unwrap();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        rustix::fs::fremovexattr(&dir, OsStr::from_bytes(name)).unwrap();
    }
}

fn there_and_back(driver: &str, other: &str) {
    let room = Room::new();
    let (layers, tree) = image(&room);
    let layout = Layout::write(&room.path().join("layout"), &layers);
    let sapwood = Sapwood::on(driver);
    let ids = load(&sapwood, &layout);
    assert_same(driver, &tree, &shown(&sapwood, ids.last().unwrap()));

    let given = given_out(&sapwood, &ids, &room);
    let again = Layout::write(&room.path().join("again"), &given);
    let second = Sapwood::on(other);
    let ids = load(&second, &again);
    assert_same(other, &tree, &shown(&second, ids.last().unwrap()));
    if runs("umoci", "umoci") {
        assert_same("umoci", &tree, &by_umoci(&again, &room, "bundle"));
    }
    if runs("tar", "tar") {
        assert_same("GNU tar", &tree, &by_gnu_tar(&given, &room, "extracted"));
    }
}

#[test]
fn from_overlay2_to_vfs() {
    there_and_back("overlay2", "vfs");
}

#[test]
fn from_vfs_to_overlay2() {
    there_and_back("vfs", "overlay2");
}
