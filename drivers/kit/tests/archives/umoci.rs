//! umoci as an outside judge: an OCI layout whose layers were written here is
//! unpacked by it, and layers that it writes are applied here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::edits::{Editor, Without};
use crate::support::layout::Layout;
use crate::support::tree::{assert_same, copy};
use crate::support::{Room, apply, compared, diff, not_run, snapshot};

/// As many as the bar asks for.
const LAYERS: u64 = 20;

fn is_missing() -> bool {
    let found = Command::new("umoci").arg("--version").output().is_ok_and(|o| o.status.success());
    if !found {
        not_run("umoci is missing: apt-get install umoci");
    }
    !found
}

fn umoci(args: &[&str]) {
    let output = Command::new("umoci").args(args).output().unwrap();
    assert!(output.status.success(), "umoci {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What it unpacks.
fn unpacked(layout: &Path, room: &Room, name: &str) -> PathBuf {
    let bundle = room.path().join(name);
    let image = format!("{}:image", layout.display());
    umoci(&["unpack", "--image", &image, bundle.to_str().unwrap()]);
    bundle
}

#[test]
fn twenty_layers_are_unpacked_alike() {
    if is_missing() {
        return;
    }
    let room = Room::new();
    let (root, before, ours) = (room.root(), room.path().join("before"), room.dir("ours"));
    let mut editor = Editor::new(&root, 7, Without { equals_signs: true, ..Without::default() });
    let mut layers = Vec::new();
    for layer in 0..LAYERS {
        let old = (layer > 0).then(|| {
            copy(&root, &before);
            before.as_path()
        });
        editor.edit(if layer == 0 { 150 } else { 30 });
        let tar = diff(old, &root);
        apply(&ours, &tar).unwrap_or_else(|e| panic!("layer {layer}: {e:?}"));
        assert_same(&format!("layer {layer}, here"), &snapshot(&root), &snapshot(&ours));
        assert_eq!(compared(&root, &ours), [""; 0], "layer {layer}");
        layers.push(tar);
        if old.is_some() {
            fs::remove_dir_all(&before).unwrap();
        }
    }
    let layout = Layout::write(&room.path().join("layout"), &layers);
    let bundle = unpacked(layout.path(), &room, "bundle");
    assert_same("umoci", &snapshot(&root), &snapshot(&bundle.join("rootfs")));
}

#[test]
fn layers_that_umoci_writes_are_applied() {
    if is_missing() {
        return;
    }
    let room = Room::new();
    let root = room.root();
    // It keeps whole seconds after 1970, and its lists of files can't hold
    // quotes and backslashes.
    let without = Without {
        equals_signs: true,
        odd_names: true,
        nanoseconds: true,
        early_times: true,
        ..Without::default()
    };
    Editor::new(&root, 11, without).edit(120);
    let first = diff(None, &root);
    let mut layout = Layout::write(&room.path().join("layout"), std::slice::from_ref(&first));
    let ours = room.dir("ours");
    apply(&ours, &first).unwrap();
    for layer in 0..LAYERS {
        let name = format!("bundle-{layer}");
        let bundle = unpacked(layout.path(), &room, &name);
        Editor::new(&bundle.join("rootfs"), 1000 + layer, without).edit(25);
        let image = format!("{}:image", layout.path().display());
        umoci(&["repack", "--image", &image, bundle.to_str().unwrap()]);
        let written = layout.last_layer();
        apply(&ours, &written).unwrap_or_else(|e| panic!("layer {layer}: {e:?}"));
        // What it makes of its own layer, not what it made it of: it looks at
        // whole seconds.
        let again = unpacked(layout.path(), &room, &format!("again-{layer}"));
        let expected = snapshot(&again.join("rootfs"));
        assert_same(&format!("layer {layer}"), &expected, &snapshot(&ours));
        fs::remove_dir_all(&bundle).unwrap();
        fs::remove_dir_all(&again).unwrap();
    }
}

/// It leaves out the end of the archive, and of the last block.
#[test]
fn files_that_umoci_inserts_are_there() {
    if is_missing() {
        return;
    }
    let room = Room::new();
    let (root, file) = (room.root(), room.path().join("file"));
    fs::write(&file, "inserted").unwrap();
    let mut layout = Layout::write(&room.path().join("layout"), &[diff(None, &root)]);
    let image = format!("{}:image", layout.path().display());
    umoci(&["insert", "--image", &image, file.to_str().unwrap(), "/dir/file"]);
    let written = layout.last_layer();
    assert_ne!(written.len() % 512, 0, "umoci fills its blocks now: this test shows nothing");
    apply(&root, &written).unwrap();
    assert_eq!(fs::read(root.join("dir/file")).unwrap(), b"inserted");
}
