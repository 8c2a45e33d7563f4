//! `load`, `import`, `images`, `inspect`, `history`, `tag` and `rmi`, from
//! outside, on each driver that needs no more than this machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::string_slice, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Entry, Format, Image};
use serde_json::Value;

fn image(name: &str) -> Image {
    Image::new(name)
        .layer(|layer| {
            layer.add(&Entry::dir("etc"))?;
            layer.add(&Entry::file("etc/one", "1".repeat(1500)))
        })
        .layer(|layer| layer.add(&Entry::file("two", "2".repeat(500))))
}

fn write(sapwood: &Sapwood, image: &Image, format: Format, compression: Compression) -> PathBuf {
    let path = sapwood.scratch().join(format!("{format:?}-{compression:?}"));
    image.write(&path, format, compression).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn id(sapwood: &Sapwood, name: &str) -> String {
    sapwood.json(["inspect", name])[0]["Id"].as_str().unwrap().to_owned()
}

/// The nodes that the driver keeps.
fn nodes(sapwood: &Sapwood) -> Vec<Value> {
    match sapwood.json(["storage", "ls", "--format", "json"]) {
        Value::Array(nodes) => nodes,
        other => panic!("a list, not {other}"),
    }
}

fn every_format(driver: &str) {
    let sapwood = Sapwood::on(driver);
    let mut ids = Vec::new();
    for format in [Format::Docker, Format::OciTar, Format::OciFolder] {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let path = write(&sapwood, &image("both:1"), format, compression);
            let said = sapwood.ok(["load", "-i", text(&path)]);
            assert!(said.ends_with("Loaded image: both:1\n"), "{said}");
            ids.push(id(&sapwood, "both:1"));
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(nodes(&sapwood).len(), 2);
}

fn a_life(driver: &str) {
    let sapwood = Sapwood::on(driver);
    let path = write(&sapwood, &image("life:1"), Format::OciTar, Compression::Gzip);
    let done = sapwood
        .command()
        .arg("load")
        .stdin(Stdio::from(File::open(path).unwrap()))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(done.stdout).unwrap(), "Loaded image: life:1\n");
    assert!(done.stderr.is_empty(), "progress is for terminals");

    let id = id(&sapwood, "life:1");
    let short = &id[7..19];
    sapwood.ok(["tag", short, "quay.io/me/life"]);
    let rows = sapwood.json(["images", "--format", "json", "--no-trunc"]);
    let names: Vec<_> = rows.as_array().unwrap().iter().map(|r| &r["Repository"]).collect();
    assert_eq!(names, ["life", "quay.io/me/life"]);
    assert_eq!(rows[0]["Size"], 2000);
    assert_eq!(sapwood.ok(["images", "-q", "--no-trunc"]), format!("{id}\n"));
    let table = sapwood.ok(["images", "life"]);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("REPOSITORY   TAG   IMAGE ID"), "{table}");
    assert!(lines[1].starts_with(&format!("life         1     {short}")), "{table}");
    assert_eq!(
        sapwood.json(["images", "--format", "json", "-f", "dangling=true"]),
        Value::Array(vec![])
    );

    let shown = sapwood.json(["inspect", "life:1"]);
    assert_eq!(shown[0]["GraphDriver"]["Name"], driver);
    assert_eq!(shown[0]["Config"]["Cmd"][0], "sh");
    let steps = sapwood.json(["history", "--format", "json", "life:1"]);
    assert_eq!((&steps[0]["Size"], &steps[1]["Size"]), (&500.into(), &1500.into()));
    assert_eq!((&steps[0]["ID"], &steps[1]["ID"]), (&short.into(), &"<missing>".into()));

    let (status, said) = sapwood.fails(["rmi", short]);
    assert_eq!(status, 1);
    assert!(said.contains("several repositories"), "{said}");
    assert!(sapwood.ok(["rmi", "life:1"]).starts_with("Untagged: life:1\n"));
    let said = sapwood.ok(["rmi", short]);
    assert_eq!(said.lines().filter(|l| l.starts_with("Deleted: sha256:")).count(), 3, "{said}");
    assert!(nodes(&sapwood).is_empty());
    assert_eq!(
        sapwood.json(["storage", "status", "--format", "json"])["status"]["awaiting_reclaim"],
        0
    );
}

/// Ten files that every layer changes one of: a driver that copies has little
/// to copy.
fn deep(driver: &str) {
    let sapwood = Sapwood::on(driver);
    let mut image = Image::new("deep:1");
    for n in 0..200 {
        image = image.layer(move |layer| {
            layer.add(&Entry::dir("layers"))?;
            layer.add(&Entry::file(format!("layers/{}", n % 10), format!("{n}")))
        });
    }
    let path = write(&sapwood, &image, Format::OciTar, Compression::Gzip);
    sapwood.ok(["load", "-i", text(&path)]);
    assert_eq!(nodes(&sapwood).len(), 200);
    let top = sapwood.json(["inspect", "deep:1"])[0]["GraphDriver"]["Data"]["Layer"].clone();
    let top = format!("layer:{}", top.as_str().unwrap());
    assert_eq!(sapwood.ok(["storage", "changes", &top]), "C /layers/9\n");
}

/// What containers stand on stays, and goes with the last of them; the layer
/// between an image and its containers stays for the next container.
fn containers(driver: &str) {
    let sapwood = Sapwood::on(driver);
    let image = sapwood_e2e::images::busybox("box:1").unwrap();
    let path = write(&sapwood, &image, Format::OciTar, Compression::None);
    sapwood.ok(["load", "-i", text(&path)]);
    sapwood.ok(["run", "--network", "none", "--name", "one", "box:1", "true"]);
    let (_, said) = sapwood.fails(["rmi", "box:1"]);
    assert!(said.contains("remove the container first"), "{said}");
    assert!(sapwood.ok(["rmi", "-f", "box:1"]).starts_with("Untagged: box:1\n"));
    assert!(nodes(&sapwood).len() > 1, "the container and what it stands on");
    sapwood.ok(["rm", "one"]);
    assert!(nodes(&sapwood).is_empty());

    sapwood.ok(["load", "-i", text(&path)]);
    sapwood.ok(["run", "--network", "none", "--rm", "box:1", "true"]);
    let before = nodes(&sapwood);
    assert_eq!(before.len(), 2);
    sapwood.ok(["load", "-i", text(&path)]);
    assert_eq!(nodes(&sapwood), before);
    sapwood.ok(["rmi", "box:1"]);
    assert!(nodes(&sapwood).is_empty());
}

/// A load that is killed has recorded no image; what it has unpacked is gone
/// after the next command that changes images.
fn killed(driver: &str) {
    let sapwood = Sapwood::on(driver);
    let mut many = Image::new("many:1");
    for n in 0..200 {
        many = many.layer(move |layer| layer.add(&Entry::file("same", format!("{n}"))));
    }
    let path = write(&sapwood, &many, Format::OciTar, Compression::None);
    for _ in 0..10 {
        let mut load = sapwood.command().args(["load", "-i", text(&path)]).spawn().unwrap();
        while nodes(&sapwood).len() < 2 && load.try_wait().unwrap().is_none() {}
        load.kill().unwrap();
        if !load.wait().unwrap().success() {
            assert_eq!(sapwood.json(["images", "--format", "json"]), Value::Array(vec![]));
            assert!(!nodes(&sapwood).is_empty());
            let path = write(&sapwood, &image("next:1"), Format::OciTar, Compression::None);
            sapwood.ok(["load", "-i", text(&path)]);
            assert_eq!(nodes(&sapwood).len(), 2);
            return;
        }
        sapwood.ok(["rmi", "many:1"]);
    }
    panic!("every load ended before it could be killed");
}

fn bad_input(driver: &str) {
    let sapwood = Sapwood::on(driver);
    let path = write(&sapwood, &image("good:1"), Format::OciTar, Compression::None);
    sapwood.ok(["load", "-i", text(&path)]);
    let before = (sapwood.ok(["images", "--no-trunc"]), nodes(&sapwood).len());

    let other = image("bad:1").layer(|layer| layer.add(&Entry::file("three", "3".repeat(900))));
    let path = write(&sapwood, &other, Format::OciTar, Compression::None);
    let whole = fs::read(&path).unwrap();
    let cut = sapwood.scratch().join("cut.tar");
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let mut flipped = whole.clone();
    let at = flipped.windows(900).position(|w| w.iter().all(|b| *b == b'3')).unwrap();
    flipped[at] = b'4';
    let damaged = sapwood.scratch().join("damaged.tar");
    fs::write(&damaged, &flipped).unwrap();
    let rows: [(&[&str], &str); 10] = [
        (&["load", "-i", text(&cut)], "cut off"),
        (&["load", "-i", text(&damaged)], "is damaged: its digest is sha256:"),
        (&["load", "-i", "/nonexistent"], "can't open /nonexistent"),
        (&["load", "-i", "/dev/null"], "is empty"),
        (&["import", "/etc/passwd"], "/etc/passwd: it can't be unpacked"),
        (&["inspect", "nothing"], "no such image: nothing"),
        (&["inspect", "UP"], "\"UP\" can't name an image"),
        (&["history", "nothing"], "no such image: nothing"),
        (&["tag", "good:1", "a@b"], "\"a@b\" can't name an image"),
        (&["rmi", "nothing"], "no such image: nothing"),
    ];
    for (args, words) in rows {
        let (status, said) = sapwood.fails(args);
        assert_eq!(status, 1, "{args:?}");
        assert!(said.contains(words), "{args:?}: {said}");
        assert_eq!(
            (sapwood.ok(["images", "--no-trunc"]), nodes(&sapwood).len()),
            before,
            "{args:?}"
        );
    }
}

fn imports(driver: &str) {
    let sapwood = Sapwood::on(driver);
    let root = sapwood.scratch().join("root.tar.gz");
    let mut gzip =
        flate2::write::GzEncoder::new(File::create(&root).unwrap(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(&mut gzip);
    tar.append_path_with_name("/etc/hostname", "etc/hostname").unwrap();
    tar.finish().unwrap();
    drop(tar);
    gzip.finish().unwrap();
    let said = sapwood.ok(["import", "-c", "CMD [\"/x\"]", "-m", "by hand", text(&root), "mine"]);
    assert_eq!(said.trim(), id(&sapwood, "mine:latest"));
    let steps = sapwood.json(["history", "--format", "json", "mine"]);
    assert_eq!(steps[0]["Comment"], "by hand");
    sapwood.ok(["rmi", "mine"]);
    assert!(nodes(&sapwood).is_empty());
}

macro_rules! on_each_driver {
    ($($case:ident)*) => {
        mod vfs {
            $(#[test] fn $case() { super::$case("vfs"); })*
        }
        mod overlay2 {
            $(#[test] fn $case() { super::$case("overlay2"); })*
        }
    };
}

on_each_driver! { every_format a_life containers deep killed bad_input imports }
