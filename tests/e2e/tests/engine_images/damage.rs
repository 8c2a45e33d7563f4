//! What is damaged, cut off, or not what it says, is refused in one line, and
//! the store stays as it was.

use std::fs::{self, File};
use std::path::Path;

use sapwood_e2e::images::{Compression, Entry, Format, Image};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Layout, three_layers};

/// Another image is there already, whose layers and name must survive.
fn fixture() -> Fixture {
    let f = Fixture::new();
    f.loaded(&Image::new("other:1").layer(|layer| layer.add(&Entry::file("other", "other"))));
    f
}

fn flip(path: &Path, position: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = position.min(bytes.len() - 1);
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_bit_in_any_blob_is_found() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        for layer in 0..3 {
            let f = fixture();
            let layout = Layout::new(&f, &three_layers("three:1"), compression);
            let digest = layout.manifest()["layers"][layer]["digest"].clone();
            for position in [40, 512] {
                let path = layout.blob_path(&digest);
                let good = fs::read(&path).unwrap();
                flip(&path, position);
                let hex = digest.as_str().unwrap();
                f.refuses(&layout.0, &["the archive: ", "is damaged: its digest is sha256:", hex]);
                fs::write(&path, good).unwrap();
            }
            f.load(&layout.0).unwrap();
        }
    }
}

/// The time in gzip's header: what is within stays the same.
#[test]
fn a_blob_is_checked_as_it_lies_there_too() {
    let f = fixture();
    let layout = Layout::new(&f, &three_layers("three:1"), Compression::Gzip);
    flip(&layout.blob_path(&layout.manifest()["layers"][1]["digest"]), 5);
    f.refuses(&layout.0, &["is damaged: its digest is sha256:"]);
}

#[test]
fn damaged_documents_are_found() {
    let f = fixture();
    let layout = Layout::new(&f, &three_layers("three:1"), Compression::None);
    let config = layout.blob_path(&layout.manifest()["config"]["digest"]);
    let manifest = layout.blob_path(&layout.json("index.json")["manifests"][0]["digest"]);
    for path in [config, manifest] {
        let good = fs::read(&path).unwrap();
        flip(&path, 30);
        f.refuses(&layout.0, &["is damaged: its digest is"]);
        fs::write(&path, &good[..50]).unwrap();
        f.refuses(&layout.0, &["is damaged: its digest is"]);
        fs::remove_file(&path).unwrap();
        f.refuses(&layout.0, &["which it refers to, isn't in it"]);
        fs::write(&path, good).unwrap();
    }
    fs::write(layout.0.join("index.json"), "{").unwrap();
    f.refuses(&layout.0, &["index.json can't be understood"]);
}

#[test]
fn sizes_are_checked() {
    let f = fixture();
    let layout = Layout::new(&f, &three_layers("three:1"), Compression::Gzip);
    let good = layout.manifest();
    for pointer in ["/layers/1/size", "/config/size"] {
        let mut manifest = good.clone();
        *manifest.pointer_mut(pointer).unwrap() = json!(7);
        layout.set_manifest(&manifest);
        f.refuses(&layout.0, &["bytes, and its descriptor says 7"]);
    }
    layout.set_manifest(&good);
    let mut index = layout.json("index.json");
    index["manifests"][0]["size"] = json!(7);
    layout.set_index(&index);
    f.refuses(&layout.0, &["bytes, and its descriptor says 7"]);
}

#[test]
fn diff_ids_are_checked_and_counted() {
    for compression in [Compression::None, Compression::Gzip] {
        let f = fixture();
        let layout = Layout::new(&f, &three_layers("three:1"), compression);
        let good = layout.config();
        let mut config = good.clone();
        config["rootfs"]["diff_ids"][1] = json!(format!("sha256:{}", "0".repeat(64)));
        layout.set_config(&config);
        f.refuses(&layout.0, &["without compression is damaged: its digest is"]);
        let mut config = good.clone();
        config["rootfs"]["diff_ids"].as_array_mut().unwrap().pop();
        layout.set_config(&config);
        f.refuses(&layout.0, &["its configuration names 2 layers, and it has 3"]);
        let mut config = good;
        config["rootfs"]["diff_ids"][1] = json!("sha256:00");
        layout.set_config(&config);
        f.refuses(&layout.0, &["its configuration can't be understood"]);
    }
}

#[test]
fn unknown_media_types_are_named() {
    let f = fixture();
    let layout = Layout::new(&f, &three_layers("three:1"), Compression::Gzip);
    let good = layout.manifest();
    let kind = "application/vnd.oci.image.layer.v1.tar";
    let rows: [(&str, &str, &[&str]); 5] = [
        ("/layers/0/mediaType", "application/x-wasm", &["application/x-wasm", "file layer's"]),
        ("/layers/0/mediaType", &format!("{kind}+gzip+encrypted"), &["encrypted"]),
        ("/layers/2/mediaType", kind, &["declared to be not compressed", "gzip"]),
        ("/layers/2/mediaType", &format!("{kind}+zstd"), &["declared to be compressed with zstd"]),
        ("/config/mediaType", "application/vnd.oci.empty.v1+json", &["isn't an image"]),
    ];
    for (pointer, value, words) in rows {
        let mut manifest = good.clone();
        *manifest.pointer_mut(pointer).unwrap() = json!(value);
        layout.set_manifest(&manifest);
        f.refuses(&layout.0, words);
    }
    let mut both = good.clone();
    both["manifests"] = json!([]);
    layout.set_manifest(&both);
    f.refuses(&layout.0, &["an index and a manifest at once"]);
    layout.set_manifest(&good);
    let mut index = layout.json("index.json");
    index["manifests"][0]["mediaType"] = json!("application/vnd.example+json");
    layout.set_index(&index);
    f.refuses(&layout.0, &["application/vnd.example+json", "isn't an image's"]);
}

#[test]
fn an_archive_is_refused_wherever_it_is_cut_off() {
    let f = fixture();
    for format in [Format::Docker, Format::OciTar] {
        let whole =
            fs::read(f.archive(&three_layers("three:1"), format, Compression::None)).unwrap();
        let cut = f.path("cut.tar");
        // The two empty blocks at the end may be missing; nothing is lost then.
        let content = whole.len() - 1024;
        for length in (0..content).step_by(700).chain([1, 511, content - 1024]) {
            fs::write(&cut, &whole[..length]).unwrap();
            f.refuses(&cut, &["the archive: "]);
        }
    }
}

#[test]
fn damaged_layers_of_dockers_archives_are_found() {
    let f = fixture();
    for compression in [Compression::None, Compression::Gzip] {
        let path = f.archive(&three_layers("three:1"), Format::Docker, compression);
        let mut places = Vec::new();
        let mut archive = tar::Archive::new(File::open(&path).unwrap());
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            if entry.path().unwrap().ends_with("layer.tar") {
                places.push(usize::try_from(entry.raw_file_position()).unwrap());
            }
        }
        assert_eq!(places.len(), 3);
        for place in places {
            let good = fs::read(&path).unwrap();
            flip(&path, place + 60);
            f.refuses(&path, &["layer.tar"]);
            fs::write(&path, good).unwrap();
        }
    }
}

#[test]
fn manifests_of_dockers_archives_are_checked() {
    let f = fixture();
    let config = json!({ "os": "linux", "rootfs": { "type": "layers", "diff_ids": [] } });
    let windows = json!({ "os": "windows" });
    let none: [&str; 0] = [];
    let rows: [(Value, &str); 9] = [
        (json!([]), "names 0 images"),
        (json!({}), "manifest.json can't be understood"),
        (json!([{ "RepoTags": none }]), "manifest.json can't be understood"),
        (json!([{ "Config": "nothing.json" }]), "isn't in it"),
        (json!([{ "Config": "../c.json" }]), "isn't in it"),
        (json!([{ "Config": "c.json", "Layers": ["x"] }]), "names 0 layers, and it has 1"),
        (json!([{ "Config": "c.json", "RepoTags": ["UP"] }]), "its tag \"UP\" is no name"),
        (json!([{ "Config": "w.json" }]), "it is for windows"),
        (json!([{ "Config": format!("{}.json", "0".repeat(64)) }]), "is damaged"),
    ];
    for (manifest, words) in rows {
        let path = f.path("hand-made.tar");
        let mut tar = tar::Builder::new(File::create(&path).unwrap());
        for (name, content) in [
            ("manifest.json", manifest.to_string()),
            ("c.json", config.to_string()),
            ("w.json", windows.to_string()),
            (&format!("{}.json", "0".repeat(64)), config.to_string()),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        tar.finish().unwrap();
        f.refuses(&path, &[words]);
    }
}

#[test]
fn documents_that_fill_the_memory_are_refused() {
    let f = fixture();
    let layout = Layout::new(&f, &three_layers("three:1"), Compression::None);
    let mut config = layout.config();
    config["padding"] = "x".repeat(3 << 20).into();
    layout.set_config(&config);
    // The same image under many names is read once for each.
    let item = json!({ "Config": format!(
        "blobs/sha256/{}",
        layout.blob_path(&layout.manifest()["config"]["digest"]).file_name().unwrap().to_str().unwrap()
    ), "Layers": layout.manifest()["layers"].as_array().unwrap().iter().map(|l| {
        l["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/")
    }).collect::<Vec<_>>() });
    let file = layout.0.join("manifest.json");
    fs::write(&file, Value::Array(vec![item; 20]).to_string()).unwrap();
    f.refuses(&layout.0, &["more than 33554432 bytes of manifests"]);
    fs::remove_file(file).unwrap();
    config["padding"] = "x".repeat(5 << 20).into();
    layout.set_config(&config);
    f.refuses(&layout.0, &["bytes, and more than 4194304 are not read"]);
}

#[test]
fn what_is_no_image_archive_is_said() {
    let f = fixture();
    let path = f.path("strange");
    fs::write(&path, "hello").unwrap();
    f.refuses(&path, &["it isn't an image archive"]);
    fs::write(&path, "").unwrap();
    f.refuses(&path, &["it is empty"]);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    f.refuses(&path, &["there is no image in it"]);
    fs::write(path.join("repositories"), "{}").unwrap();
    f.refuses(&path, &["older than 1.10"]);
}

/// One hostile entry in the topmost layer: those below are committed by then.
#[test]
fn a_hostile_layer_takes_nothing_with_it() {
    let f = fixture();
    let image = three_layers("evil:1").layer(|layer| layer.add(&Entry::file("../../escape", "x")));
    f.refuses(&f.archive(&image, Format::OciTar, Compression::None), &["can't be unpacked"]);
}

#[test]
fn more_layers_than_the_driver_takes_are_refused_at_once() {
    let f = fixture();
    let mut image = Image::new("deep:1");
    for n in 0..65 {
        image = image.layer(move |layer| layer.add(&Entry::file(format!("f{n}"), "")));
    }
    f.refuses(&f.archive(&image, Format::OciTar, Compression::None), &["65 layers", "takes 64"]);
}

/// The good image comes first in the archive, and isn't recorded either.
#[test]
fn of_several_images_all_are_loaded_or_none() {
    let f = fixture();
    let layout = Layout::new(&f, &three_layers("good:1"), Compression::None);
    let mut index = layout.json("index.json");
    let mut manifest = layout.manifest();
    let mut config = layout.config();
    config["rootfs"]["diff_ids"][2] = json!(format!("sha256:{}", "0".repeat(64)));
    let (digest, size) = layout.blob(config.to_string().as_bytes());
    manifest["config"]["digest"] = digest.into();
    manifest["config"]["size"] = size.into();
    let (digest, size) = layout.blob(manifest.to_string().as_bytes());
    let mut second = index["manifests"][0].clone();
    second["digest"] = digest.into();
    second["size"] = size.into();
    second["annotations"] = json!({ "io.containerd.image.name": "docker.io/library/bad:1" });
    index["manifests"].as_array_mut().unwrap().push(second);
    layout.set_index(&index);
    f.refuses(&layout.0, &["is damaged"]);
}
