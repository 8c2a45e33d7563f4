//! Archives that aren't, or aren't whole.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use flate2::write::GzEncoder;
use sapwood_e2e::images::{Compression, Entry, Format, Image};
use serde_json::{Value, json};

use super::watched::{Watched, text};

/// An archive with these members.
fn tar(folder: &Path, name: &str, members: &[(&str, &[u8])]) -> PathBuf {
    let path = folder.join(name);
    let mut tar = tar::Builder::new(File::create(&path).unwrap());
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.into_inner().unwrap();
    path
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(content).unwrap();
    gzip.finish().unwrap()
}

fn other_image() -> Image {
    Image::new("other:1").layer(|layer| layer.add(&Entry::file("file", "x".repeat(3000))))
}

#[test]
fn what_is_no_archive_is_refused() {
    let watched = Watched::on("overlay2");
    let dir = watched.sapwood.scratch().join("bad");
    fs::create_dir(&dir).unwrap();
    fs::create_dir(dir.join("folder")).unwrap();
    let whole = dir.join("whole.tar");
    other_image().write(&whole, Format::Docker, Compression::None).unwrap();
    let bytes = fs::read(&whole).unwrap();
    let zipped = gzip(&bytes);
    let garbage: Vec<u8> =
        (0..9000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let zstd = zstd::encode_all(&garbage[..], 1).unwrap();
    for (name, content) in [
        ("empty", &b""[..]),
        ("one", b"x"),
        ("garbage", &garbage),
        ("text", b"{\"not\": \"an archive\"}\n"),
        ("garbage.gz", &gzip(&garbage)),
        ("garbage.zst", &zstd),
        ("damaged.gz", &[&zipped[..40], &garbage[..]].concat()),
        ("damaged.zst", &[&zstd[..40], &garbage[..]].concat()),
        ("magic.gz", b"\x1f\x8b"),
        ("magic.zst", b"\x28\xb5\x2f\xfd"),
        ("magic.xz", b"\xfd7zXZ\0"),
        ("cut.tar", &bytes[..bytes.len() / 2]),
        ("cut.tar.gz", &zipped[..zipped.len() / 2]),
        ("zeros", &[0; 10240]),
    ] {
        fs::write(dir.join(name), content).unwrap();
    }
    tar(&dir, "nothing.tar", &[]);
    tar(&dir, "letter.tar", &[("letter", b"dear")]);
    for (name, words) in [
        ("absent", "No such file or directory"),
        ("folder", "folder"),
        ("empty", "is empty"),
        ("one", "one: "),
        ("garbage", "garbage: "),
        ("text", "text: "),
        ("garbage.gz", "garbage.gz: "),
        ("garbage.zst", "garbage.zst: "),
        ("damaged.gz", "damaged.gz: "),
        ("damaged.zst", "damaged.zst: "),
        ("magic.gz", "magic.gz: "),
        ("magic.zst", "magic.zst: "),
        ("magic.xz", "magic.xz: "),
        ("cut.tar", "cut off"),
        ("cut.tar.gz", "cut.tar.gz: "),
        ("zeros", "zeros: "),
        ("nothing.tar", "nothing.tar: "),
        ("letter.tar", "letter.tar: "),
    ] {
        let path = dir.join(name);
        watched.refuses(&["load", "-i", text(&path)], 1, words);
        // An empty archive is a root file system without files.
        if !["zeros", "nothing.tar", "letter.tar", "whole.tar"].contains(&name) {
            watched.refuses(&["import", text(&path), "new:1"], 1, name);
        }
        if path.is_file() {
            let mut piped = watched.sapwood.command();
            piped.arg("load").stdin(Stdio::from(File::open(&path).unwrap()));
            watched.refuses_command(&mut piped, 1, "standard input: ");
        }
    }
}

#[test]
fn dockers_archives_that_contradict_themselves_are_refused() {
    let watched = Watched::on("overlay2");
    let dir = watched.sapwood.scratch();
    let config = |diff_ids: Value| {
        json!({"architecture": "amd64", "os": "linux", "config": {},
               "rootfs": {"type": "layers", "diff_ids": diff_ids}})
        .to_string()
    };
    let one = config(json!([format!("sha256:{}", "1".repeat(64))]));
    let manifest = |config: &str, layers: Value| {
        json!([{"Config": config, "RepoTags": ["bad:1"], "Layers": layers}]).to_string()
    };
    let rows = [
        ("{", one.clone(), "manifest.json"),
        ("[]", one.clone(), "bad.tar: "),
        ("{\"Config\": 1}", one.clone(), "manifest.json"),
        (&manifest("absent.json", json!(["layer.tar"])), one.clone(), "absent.json"),
        (&manifest("config.json", json!(["absent.tar"])), one.clone(), "absent.tar"),
        (&manifest("config.json", json!(["../layer.tar"])), one.clone(), "../layer.tar"),
        (&manifest("config.json", json!([])), one.clone(), "bad.tar: "),
        (&manifest("config.json", json!(["layer.tar"])), one.clone(), "sha256:1111111"),
        (
            &manifest("config.json", json!(["layer.tar"])),
            "nonsense".into(),
            "its configuration can't be understood",
        ),
        (
            &manifest("config.json", json!(["layer.tar"])),
            config(json!(["md5:1"])),
            "a digest begins with sha256",
        ),
        (
            &manifest("config.json", json!(["layer.tar"])),
            config(json!(7)),
            "its configuration can't be understood",
        ),
    ];
    for (manifest, config, words) in rows {
        let members = [
            ("manifest.json", manifest.as_bytes()),
            ("config.json", config.as_bytes()),
            ("layer.tar", &[0; 1024]),
        ];
        let path = tar(dir, "bad.tar", &members);
        watched.refuses(&["load", "-i", text(&path)], 1, words);
    }
}

#[test]
fn layouts_that_contradict_themselves_are_refused() {
    let watched = Watched::on("overlay2");
    let layout = watched.sapwood.scratch().join("layout");
    other_image().write(&layout, Format::OciFolder, Compression::Gzip).unwrap();
    let index_path = layout.join("index.json");
    let index = fs::read_to_string(&index_path).unwrap();
    let parsed: Value = serde_json::from_str(&index).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value = parsed.clone();
        change(&mut value);
        value.to_string()
    };
    let rows = [
        (String::new(), "index.json"),
        ("{}".into(), "layout: "),
        ("[1,".into(), "index.json"),
        (changed(&|v| v["schemaVersion"] = 3.into()), "schema version 3"),
        (changed(&|v| v["manifests"] = json!([])), "layout: "),
        (changed(&|v| v["manifests"][0]["digest"] = "sha256:12".into()), "a sha256 digest has 64"),
        (
            changed(&|v| v["manifests"][0]["digest"] = format!("sha256:{}", "a".repeat(64)).into()),
            "sha256/aaaa",
        ),
        (changed(&|v| v["manifests"][0]["size"] = 1.into()), "layout: "),
        (
            changed(&|v| v["manifests"][0]["mediaType"] = "application/x-none".into()),
            "application/x-none",
        ),
    ];
    for (index, words) in rows {
        fs::write(&index_path, index).unwrap();
        watched.refuses(&["load", "-i", text(&layout)], 1, words);
    }
    fs::write(&index_path, index).unwrap();
    for (file, content, words) in [
        ("oci-layout", "{\"imageLayoutVersion\":\"9.0.0\"}", "9.0.0"),
        ("oci-layout", "", "oci-layout"),
    ] {
        let before = fs::read(layout.join(file)).unwrap();
        fs::write(layout.join(file), content).unwrap();
        watched.refuses(&["load", "-i", text(&layout)], 1, words);
        fs::write(layout.join(file), before).unwrap();
    }
    for blob in fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        let blob = blob.unwrap().path();
        let good = fs::read(&blob).unwrap();
        let name = blob.file_name().unwrap().to_str().unwrap();
        fs::write(&blob, &good[..good.len() - 1]).unwrap();
        watched.refuses(&["load", "-i", text(&layout)], 1, "layout: ");
        fs::remove_file(&blob).unwrap();
        watched.refuses(&["load", "-i", text(&layout)], 1, &name[..12]);
        fs::write(&blob, good).unwrap();
    }
    watched.sapwood.ok(["load", "-i", text(&layout)]);
}
