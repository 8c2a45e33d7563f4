//! Bytes in, the same bytes out.

use std::fs;
use std::path::{Path, PathBuf};

use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Entry, Format, Image};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::archives::Room;
use crate::archives::layout::Layout;
use crate::odd::{Chance, layer};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Loads a layout, saves it as another, and compares every layer.
#[track_caller]
fn comes_back(driver: &str, layers: &[Vec<u8>]) {
    let (room, sapwood) = (Room::new(), Sapwood::on(driver));
    let layout = Layout::write(&room.path().join("layout"), layers);
    let said = sapwood.ok(["load", "-q", "-i", text(layout.path())]);
    let id = said.trim().strip_prefix("Loaded image ID: ").unwrap().to_owned();
    // Each layer's tree is what its archive says, whatever that is.
    sapwood.ok(["storage", "check", "--content"]);
    let saved = room.path().join("saved");
    sapwood.ok(["save", "--format", "oci-dir", "-o", text(&saved), &id]);
    for (number, layer) in layers.iter().enumerate() {
        let path = saved.join("blobs/sha256").join(sha256(layer));
        let found = fs::read(&path).unwrap_or_else(|e| panic!("layer {number}: {e}"));
        assert!(found == *layer, "layer {number}");
    }
    let index = |dir: &Path| -> Value {
        serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap()
    };
    let manifest = |dir: &Path| index(dir)["manifests"][0]["digest"].clone();
    assert_eq!(manifest(&saved), manifest(layout.path()), "the manifest is the one that came");
}

fn odd_layers(seed: u64, strange: bool) -> Vec<Vec<u8>> {
    let mut chance = Chance(seed);
    (0..10).map(|n| layer(&mut chance, n == 0, strange)).collect()
}

#[test]
fn odd_archives_on_overlay2() {
    for seed in 0..6 {
        comes_back("overlay2", &odd_layers(seed, seed % 2 == 1));
    }
}

#[test]
fn odd_archives_on_vfs() {
    for seed in 6..10 {
        comes_back("vfs", &odd_layers(seed, seed % 2 == 1));
    }
}

fn two_images(sapwood: &Sapwood) -> PathBuf {
    let image = |name: &str, last: &'static str| {
        Image::new(name)
            .layer(|layer| {
                layer.add(&Entry::dir("etc"))?;
                layer.add(&Entry::file("etc/shared", "1".repeat(3000)))
            })
            .layer(move |layer| layer.add(&Entry::file("own", last)))
    };
    for (name, content) in [("one:1", "a"), ("two:2", "b")] {
        let path = sapwood.scratch().join("image");
        image(name, content).write(&path, Format::OciFolder, Compression::Gzip).unwrap();
        sapwood.ok(["load", "-q", "-i", text(&path)]);
        fs::remove_dir_all(path).unwrap();
    }
    sapwood.ok(["tag", "one:1", "one:also"]);
    sapwood.ok(["tag", "one:1", "localhost:5000/x/y:z"]);
    sapwood.scratch().join("saved")
}

#[test]
fn names_are_saved_as_docker_saves_them() {
    let sapwood = Sapwood::on("vfs");
    let saved = two_images(&sapwood);
    let tags = |images: &[&str]| -> Value {
        let args = [&["save", "-o", text(&saved)], images].concat();
        sapwood.ok(args);
        let mut archive = tar::Archive::new(fs::File::open(&saved).unwrap());
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            if entry.path_bytes().as_ref() == b"manifest.json" {
                let manifest: Value = serde_json::from_reader(entry).unwrap();
                let tags = |item: &Value| item["RepoTags"].clone();
                return manifest.as_array().unwrap().iter().map(tags).collect();
            }
        }
        panic!("no manifest.json")
    };
    let id = sapwood.ok(["images", "-q", "--no-trunc", "two:2"]);
    for (images, expected) in [
        (&["one:1"][..], r#"[["one:1"]]"#),
        (&["one"], r#"[["one:1","one:also"]]"#),
        (&["localhost:5000/x/y:z", "one:also"], r#"[["localhost:5000/x/y:z","one:also"]]"#),
        (&[id.trim()], "[null]"),
        (&["two", "one:1", "two:2"], r#"[["two:2"],["one:1"]]"#),
    ] {
        let mut found = tags(images);
        for item in found.as_array_mut().unwrap() {
            if let Some(names) = item.as_array_mut() {
                names.sort_by_key(ToString::to_string);
            }
        }
        assert_eq!(found.to_string(), expected, "{images:?}");
    }
}

#[test]
fn two_saves_are_the_same_bytes_and_load_gives_the_same_images() {
    let sapwood = Sapwood::on("overlay2");
    let saved = two_images(&sapwood);
    let again = saved.with_extension("again");
    for format in ["docker-archive", "oci-archive"] {
        for path in [&saved, &again] {
            sapwood.ok(["save", "--format", format, "-o", text(path), "one", "two"]);
        }
        assert!(fs::read(&saved).unwrap() == fs::read(&again).unwrap(), "{format}");
        let other = Sapwood::on("vfs");
        other.ok(["load", "-q", "-i", text(&saved)]);
        let names = |s: &Sapwood| s.ok(["images", "--no-trunc", "-q"]);
        assert_eq!(
            names(&other).lines().collect::<std::collections::BTreeSet<_>>(),
            names(&sapwood).lines().collect(),
            "{format}"
        );
    }
}

#[test]
fn a_damaged_file_is_named_and_nothing_is_left() {
    let sapwood = Sapwood::on("vfs");
    let saved = two_images(&sapwood);
    let layers = sapwood.root().join("vfs/layers");
    let damaged = fs::read_dir(&layers)
        .unwrap()
        .map(|e| e.unwrap().path().join("tree/etc/shared"))
        .filter(|p| p.try_exists().unwrap())
        .collect::<Vec<_>>();
    assert!(!damaged.is_empty(), "vfs keeps its trees elsewhere now");
    for path in &damaged {
        let mut bytes = fs::read(path).unwrap();
        bytes[77] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let (_, said) = sapwood.fails(["save", "-o", text(&saved), "one:1"]);
    for word in ["can't be saved", "layer sha256:", "etc/shared", "bytes aren't those"] {
        assert!(said.contains(word), "{word:?} isn't in: {said}");
    }
    let left = fs::read_dir(sapwood.scratch()).unwrap();
    let left: Vec<_> = left.map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name == "saved"), "{left:?}");
    assert!(!left.iter().any(|n| n.to_string_lossy().contains("partial")), "{left:?}");
    let nodes = sapwood.json(["storage", "ls", "--format", "json"]);
    assert!(!nodes.to_string().contains("unpack-"), "{nodes}");
}

#[test]
fn an_outline_goes_with_its_layer() {
    let sapwood = Sapwood::on("overlay2");
    two_images(&sapwood);
    let outlines = sapwood.root().join("engine/overlay2/outlines");
    assert_eq!(fs::read_dir(&outlines).unwrap().count(), 3);
    sapwood.ok(["rmi", "-f", "two:2"]);
    assert_eq!(fs::read_dir(&outlines).unwrap().count(), 2);
    sapwood.ok(["rmi", "-f", sapwood.ok(["images", "-q", "--no-trunc", "one:1"]).trim()]);
    assert_eq!(fs::read_dir(&outlines).unwrap().count(), 0);
}
