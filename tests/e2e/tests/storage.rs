//! `sapwood storage …` and the choice of a driver, from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, clippy::string_slice, reason = "a test fails by panicking")]

use std::path::PathBuf;

use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Entry, Format, Image};
use serde_json::{Value, json};

/// Two layers: the second changes, deletes and adds.
fn loaded(driver: &str) -> Sapwood {
    let sapwood = Sapwood::on(driver);
    let archive = archive(&sapwood);
    sapwood.ok(["load", "-q", "-i", archive.to_str().unwrap()]);
    sapwood
}

fn archive(sapwood: &Sapwood) -> PathBuf {
    let image = Image::new("two:1")
        .layer(|layer| {
            layer.add(&Entry::dir("etc"))?;
            layer.add(&Entry::file("etc/changed", "old"))?;
            layer.add(&Entry::file("etc/deleted", "old"))?;
            layer.add(&Entry::file("etc/kept", "old"))
        })
        .layer(|layer| {
            layer.add(&Entry::dir("etc").mode(0o711))?;
            layer.add(&Entry::file("etc/changed", "new"))?;
            layer.add(&Entry::file("etc/added", "new"))?;
            layer.add(&Entry::whiteout("etc/deleted"))
        });
    let path = sapwood.scratch().join("two.tar");
    image.write(&path, Format::Docker, Compression::None).unwrap();
    path
}

/// The layers' ids, the lower one first.
fn layers(sapwood: &Sapwood) -> Vec<String> {
    let mut nodes = match sapwood.json(["storage", "ls", "--format", "json"]) {
        Value::Array(nodes) => nodes,
        other => panic!("a list, not {other}"),
    };
    nodes.sort_by_key(|n| n["depth"].as_u64());
    nodes.iter().map(|n| n["id"]["layer"].as_str().expect("a layer").to_owned()).collect()
}

fn changes_diffs_and_mounts(driver: &str) {
    let sapwood = loaded(driver);
    let ids = layers(&sapwood);
    assert_eq!(ids.len(), 2);
    let top = format!("layer:{}", &ids[1][..12]);

    let changes = sapwood.ok(["storage", "changes", &top]);
    assert_eq!(changes, "C /etc\nA /etc/added\nC /etc/changed\nD /etc/deleted\n");
    let rows = sapwood.json(["storage", "changes", "--format", "json", &top]);
    assert_eq!(rows[3], json!({ "kind": "deleted", "path": "etc/deleted" }));

    let diff = sapwood.scratch().join("diff.tar");
    sapwood.ok(["storage", "diff", &top, "-o", diff.to_str().unwrap()]);
    let mut names = Vec::new();
    for entry in tar::Archive::new(std::fs::File::open(&diff).unwrap()).entries().unwrap() {
        names.push(entry.unwrap().path().unwrap().display().to_string());
    }
    assert_eq!(names, ["./", "etc/", "etc/added", "etc/changed", "etc/.wh.deleted"]);

    let path = PathBuf::from(sapwood.ok(["storage", "mount", &top]).trim_end());
    let listed = std::fs::read_dir(path.join("etc")).unwrap();
    let mut listed: Vec<_> = listed.map(|e| e.unwrap().file_name()).collect();
    listed.sort();
    assert_eq!(listed, ["added", "changed", "kept"]);
    assert!(std::fs::write(path.join("etc/kept"), "x").is_err(), "a layer is read-only");
    sapwood.ok(["storage", "unmount", path.to_str().unwrap()]);
    assert_eq!(layers(&sapwood), ids, "the view is gone again");

    let usage = sapwood.json(["storage", "usage", "--format", "json"]);
    assert!(usage[0]["bytes"].as_u64().unwrap() > 0);
}

#[test]
fn overlay2_changes_diffs_and_mounts() {
    changes_diffs_and_mounts("overlay2");
}

#[test]
fn vfs_changes_diffs_and_mounts() {
    changes_diffs_and_mounts("vfs");
}

#[test]
fn the_tree_shows_which_layer_stands_on_which() {
    let sapwood = loaded("overlay2");
    let ids = layers(&sapwood);
    let expected = format!("layer {}\n↳ layer {}\n", ids[0], ids[1]);
    assert_eq!(sapwood.ok(["storage", "tree", "--no-trunc"]), expected);
}

#[test]
fn another_drivers_images_are_not_hidden_in_silence() {
    let sapwood = loaded("overlay2");
    let done = sapwood.command_on("vfs").args(["storage", "ls", "-q"]).output().unwrap();
    assert!(done.status.success());
    assert!(done.stdout.is_empty());
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("overlay2 has images here too"), "{said}");
}

#[test]
fn without_a_name_the_driver_that_is_in_use_is_taken() {
    let sapwood = loaded("vfs");
    let done = std::process::Command::new(sapwood_e2e::binary())
        .arg("--root")
        .arg(sapwood.root())
        .args(["storage", "status", "--format", "json"])
        .env_remove("STORAGE_DRIVER")
        .output()
        .unwrap();
    let status: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(status["choice"]["name"], "vfs");
    assert_eq!(status["choice"]["reason"], "its layers are here already");
}

#[test]
fn bad_requests_are_one_line_and_change_nothing() {
    let sapwood = loaded("overlay2");
    let before = layers(&sapwood);
    let rows: [(&[&str], &str); 6] = [
        (&["--storage-driver", "nosuch", "images"], "there is no storage driver \"nosuch\""),
        (&["--storage-opt", "nosuch=1", "images"], "nosuch"),
        (&["--storage-opt", "novalue", "images"], "--storage-opt takes NAME=VALUE"),
        (&["storage", "changes", "nosuch"], "there is no node \"nosuch\""),
        (&["storage", "mount", ""], "there is no node \"\""),
        (&["storage", "unmount", "/nowhere"], "nothing of overlay2 is mounted on /nowhere"),
    ];
    for (args, expected) in rows {
        let (_, said) = match args {
            ["--storage-driver", name, rest @ ..] => {
                let done = sapwood.command_on(name).args(rest).output().unwrap();
                (done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
            }
            _ => sapwood.fails(args),
        };
        assert!(said.contains(expected), "{args:?}: {said}");
    }
    assert_eq!(layers(&sapwood), before);
}

#[test]
fn somebody_elses_folder_is_refused_and_left_alone() {
    let sapwood = Sapwood::on("vfs");
    std::fs::create_dir(sapwood.root()).unwrap();
    std::fs::write(sapwood.root().join("precious"), "x").unwrap();
    let (_, said) = sapwood.fails(["storage", "ls"]);
    assert!(said.contains(sapwood.root().to_str().unwrap()), "{said}");
    let left: Vec<_> = std::fs::read_dir(sapwood.root()).unwrap().collect();
    assert_eq!(left.len(), 1);
}
