//! Archives of every kind become the same image.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;

use graphdriver_api::NodeId;
use sapwood_e2e::images::{Compression, Entry, Format, Image};
use sapwood_engine::image::{ChainId, Silent};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Layout, three_layers};

#[test]
fn every_format_and_compression_gives_one_image() {
    let f = Fixture::new();
    let image = three_layers("three:1");
    let mut ids = Vec::new();
    for format in [Format::Docker, Format::OciTar, Format::OciFolder] {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let loaded = f.load(&f.archive(&image, format, compression)).unwrap();
            assert_eq!(loaded.len(), 1);
            assert_eq!(loaded[0].names[0].to_string(), "three:1");
            ids.push(loaded[0].id.to_string());
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");

    let found = f.engine.image("three:1").unwrap();
    assert_eq!(found.size, 3210);
    let chain = ChainId::all(found.config.diff_ids());
    let mut expected: Vec<_> = chain.iter().map(|c| NodeId::Layer(c.layer().unwrap())).collect();
    expected.sort();
    assert_eq!(f.nodes(), expected);
    assert_eq!(found.top, Some(chain[2].layer().unwrap()));
    let sizes: Vec<_> = f.engine.history("three:1").unwrap().1.iter().map(|s| s.size).collect();
    assert_eq!(sizes, [10, 200, 3000]);
}

#[test]
fn an_oci_manifest_is_kept_as_a_digest_of_the_name() {
    let f = Fixture::new();
    let layout = Layout::new(&f, &three_layers("three:1"), Compression::Gzip);
    f.load(&layout.0).unwrap();
    let digest = layout.json("index.json")["manifests"][0]["digest"].clone();
    let given = format!("three@{}", digest.as_str().unwrap());
    assert_eq!(f.engine.image(&given).unwrap().names[0].to_string(), "three:1");
}

#[test]
fn compressed_archives_and_pipes_are_spooled() {
    let f = Fixture::new();
    let plain = fs::read(f.archive(&three_layers("s:1"), Format::Docker, Compression::None));
    let plain = plain.unwrap();
    let xz = std::process::Command::new("xz")
        .args(["-k", "-c"])
        .arg(f.path("Docker-None"))
        .output()
        .unwrap()
        .stdout;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let packed =
        [plain.clone(), gzip.finish().unwrap(), zstd::encode_all(&plain[..], 1).unwrap(), xz];
    f.load(&f.path("Docker-None")).unwrap();
    let before = f.beside_the_records();
    for bytes in packed {
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                writer.write_all(&bytes).unwrap();
                drop(writer);
            });
            let file = File::from(std::os::fd::OwnedFd::from(reader));
            f.engine.load(file, "-", &Silent).unwrap();
        });
    }
    assert_eq!(f.engine.images().unwrap().len(), 1);
    // The spool has no name, and isn't left over under any.
    assert_eq!(f.beside_the_records(), before);
}

#[test]
fn layers_that_are_here_are_not_read_again() {
    let f = Fixture::new();
    let layout = Layout::new(&f, &three_layers("three:1"), Compression::None);
    f.load(&layout.0).unwrap();
    let before = f.state();
    let lowest = layout.blob_path(&layout.manifest()["layers"][0]["digest"]);
    let damaged = vec![b'x'; usize::try_from(fs::metadata(&lowest).unwrap().len()).unwrap()];
    fs::write(lowest, damaged).unwrap();
    f.load(&layout.0).unwrap();
    assert_eq!(f.state(), before);
}

#[test]
fn images_share_layers() {
    let f = Fixture::new();
    f.loaded(&three_layers("a:1"));
    let other = three_layers("b:1").layer(|layer| layer.add(&Entry::file("four", "4")));
    f.loaded(&other);
    assert_eq!(f.nodes().len(), 4);
    assert_eq!(f.engine.images().unwrap().len(), 2);
}

/// The model can tell what is beneath an archive only once its parent is
/// known, as every driver that takes it at commit.
#[test]
fn a_layer_that_needs_its_parent_is_unpacked_on_it() {
    let f = Fixture::new();
    let image = Image::new("needs:1")
        .layer(|layer| {
            layer.add(&Entry::dir("usr"))?;
            layer.add(&Entry::dir("usr/bin"))?;
            layer.add(&Entry::file("usr/bin/first", "1"))?;
            layer.add(&Entry::symlink("bin", "usr/bin"))
        })
        .layer(|layer| layer.add(&Entry::hard_link("usr/bin/second", "usr/bin/first")))
        .layer(|layer| layer.add(&Entry::file("bin/third", "3")));
    f.loaded(&image);
    assert_eq!(f.nodes().len(), 3);
}

#[test]
fn an_image_without_layers_is_an_image() {
    let f = Fixture::new();
    f.loaded(&Image::new("scratch:1"));
    let image = f.engine.image("scratch:1").unwrap();
    assert_eq!((image.top, image.size), (None, 0));
    assert!(f.nodes().is_empty());
}

#[test]
fn a_name_moves_to_the_image_that_came_last() {
    let f = Fixture::new();
    let first = f.loaded(&three_layers("same:1"));
    let image = three_layers("same:1").command(&["other"]);
    let loaded = f.load(&f.archive(&image, Format::Docker, Compression::None)).unwrap();
    assert_eq!(loaded[0].taken[0].0.to_string(), "same:1");
    assert_eq!(loaded[0].taken[0].1, first);
    assert!(f.engine.image(&first).unwrap().names.is_empty());
    assert_eq!(f.engine.image("same:1").unwrap().id, loaded[0].id);
}

/// As Docker has written it since version 25: a layout with a manifest.json
/// that names blobs.
#[test]
fn an_archive_that_is_both_is_read_as_dockers() {
    let f = Fixture::new();
    let layout = Layout::new(&f, &three_layers("both:1"), Compression::None);
    let config = layout.config();
    let manifest = layout.manifest();
    let name = |d: &Value| {
        format!("blobs/sha256/{}", d["digest"].as_str().unwrap().trim_start_matches("sha256:"))
    };
    let layers: Vec<_> = manifest["layers"].as_array().unwrap().iter().map(name).collect();
    let sources: serde_json::Map<_, _> = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .zip(config["rootfs"]["diff_ids"].as_array().unwrap())
        .map(|(l, diff)| (diff.as_str().unwrap().to_owned(), l.clone()))
        .collect();
    let item = json!({
        "Config": name(&manifest["config"]),
        "RepoTags": ["docker:1", "docker:2"],
        "Layers": layers,
        "LayerSources": sources,
    });
    fs::write(layout.0.join("manifest.json"), json!([item]).to_string()).unwrap();
    let tar = f.path("both.tar");
    layout.pack(&tar);
    let loaded = f.load(&tar).unwrap();
    let names: Vec<_> = loaded[0].names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["docker:1", "docker:2"]);
}

/// As Docker before version 1.10 and up to 24 wrote it: a folder a layer, with
/// links in the place of a layer that came twice.
#[test]
fn links_in_the_place_of_layers_are_followed() {
    let f = Fixture::new();
    let empty = |layer: &mut sapwood_e2e::images::LayerWriter<'_>| layer.add(&Entry::dir("d"));
    let image = Image::new("twice:1").layer(empty).layer(empty);
    let plain = f.archive(&image, Format::Docker, Compression::None);
    let folder = f.path("unpacked");
    tar::Archive::new(File::open(plain).unwrap()).unpack(&folder).unwrap();
    let manifest: Value =
        serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let layer = |n: usize| manifest[0]["Layers"][n].as_str().unwrap();
    let second = folder.join(layer(1));
    fs::remove_file(&second).unwrap();
    symlink(format!("../{}", layer(0)), &second).unwrap();
    let tar = f.path("links.tar");
    let mut builder = tar::Builder::new(File::create(&tar).unwrap());
    builder.follow_symlinks(false);
    builder.append_dir_all("", &folder).unwrap();
    builder.finish().unwrap();
    f.load(&tar).unwrap();
    assert_eq!(f.nodes().len(), 2);
}
