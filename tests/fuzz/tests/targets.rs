//! Every target on inputs that were good and have been changed.
//!
//! `SAPWOOD_FUZZ_RUNS` is how many for each; `SAPWOOD_FUZZ_SEED` begins
//! elsewhere. A broken promise is told with the seed that shows it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::panic::catch_unwind;
use std::path::Path;

use graphdriver_api::{DriverFactory, DriverOptions};
use graphdriver_conformance::model::ModelFactory;
use sapwood_e2e::images::{Compression, Entry, Format, Image, Owner, TheirStore};
use sapwood_engine::Engine;
use sapwood_engine::foreign::ForeignStore;
use sapwood_engine::image::Silent;
use sapwood_engine::store::Root;
use sapwood_fuzz::{Mutator, attributes, config, layer, record, reference};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |n| n.parse().unwrap())
}

fn fuzz(corpus: &[Vec<u8>], runs: u64, target: fn(&[u8])) {
    let first = number("SAPWOOD_FUZZ_SEED", 1);
    for seed in first..first + number("SAPWOOD_FUZZ_RUNS", runs) {
        let mut mutator = Mutator::new(seed);
        let input = &corpus[mutator.below(corpus.len())];
        let input = mutator.change(input);
        assert!(catch_unwind(|| target(&input)).is_ok(), "SAPWOOD_FUZZ_SEED={seed}");
    }
}

fn image() -> Image {
    Image::new("seed:1")
        .layer(|layer| {
            layer.add(&Entry::dir("etc").xattr("user.a", "b"))?;
            layer.add(&Entry::file("etc/file", "content").mtime(7, 8).owner(1 << 33, 5))?;
            layer.add(&Entry::symlink("l".repeat(150), "etc/file"))?;
            layer.add(&Entry::hard_link("same", "etc/file"))
        })
        .layer(|layer| {
            layer.add(&Entry::whiteout("etc/file"))?;
            layer.add(&Entry::opaque("etc"))?;
            layer.add(&Entry::char_device("null", 1, 3))
        })
}

/// Files of an image layout, and a layer among them.
fn blobs() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("layout");
    image().write(&layout, Format::OciFolder, Compression::None).unwrap();
    let blobs = fs::read_dir(layout.join("blobs/sha256")).unwrap();
    blobs.map(|blob| fs::read(blob.unwrap().path()).unwrap()).collect()
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn layers() {
    fuzz(&blobs(), 20_000, layer);
}

#[test]
fn configurations() {
    fuzz(&blobs(), 20_000, config);
}

#[test]
fn references() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let corpus = texts(&[
        "busybox",
        "docker.io/library/busybox:1.36",
        "localhost:5000/a/b-c_d.e:tag",
        &format!("quay.io/x/y@{digest}"),
        &digest,
    ]);
    fuzz(&corpus, 100_000, reference);
}

#[test]
fn access_lists() {
    let corpus = texts(&[
        "user::rw-,user:1000:r--,group::r--,mask::r--,other::---",
        "user::rwx\ngroup::r-x\nother::r-x\n",
    ]);
    fuzz(&corpus, 100_000, attributes);
}

#[test]
fn records() {
    let corpus = texts(&[
        "{\"type\":2,\"payload\":\"ZXRjLwAAAAA=\",\"position\":0}\n\
         {\"type\":1,\"name\":\"etc/\",\"payload\":null,\"position\":1}\n\
         {\"type\":1,\"name\":\"a/../etc/\\u003cb\\u003e\",\"size\":2,\"payload\":\"YUbwAAAAAAA=\"}\n",
        "{\"type\":1,\"name_raw\":\"Li4vLi4vZXRj/w==\",\"size\":70000,\"position\":7}\n\
         {\"type\":2,\"payload\":\"\"}\n{\"type\":1,\"name\":\"/./x\"}\n",
        "{\"type\":1,\"name\":\"../../etc/passwd\",\"size\":1}\n",
    ]);
    fuzz(&corpus, 100_000, record);
}

fn open(root: &Path) -> Engine {
    let root = Root::open(root).unwrap();
    let driver = ModelFactory::default()
        .open(&root.path().join("model"), &DriverOptions::default())
        .unwrap();
    Engine::open(root, driver).unwrap()
}

/// Whole stores of Docker's and Podman's, whose lists, documents and records
/// are changed: what is refused leaves nothing.
#[test]
fn stores() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(&dir.path().join("root"));
    for owner in [Owner::Docker, Owner::Podman] {
        let path = dir.path().join(format!("{owner:?}"));
        let store = TheirStore::write(&image(), &path, owner).unwrap();
        let lists = match owner {
            Owner::Docker => vec![store.path("image/overlay2/repositories.json")],
            Owner::Podman => vec![
                store.path("overlay-images/images.json"),
                store.path("overlay-layers/layers.json"),
                store.config().with_file_name("manifest"),
            ],
        };
        let files = [lists, vec![store.config(), store.record(0), store.record(1)]].concat();
        let first = number("SAPWOOD_FUZZ_SEED", 1);
        for seed in first..first + number("SAPWOOD_FUZZ_RUNS", 300) {
            let mut mutator = Mutator::new(seed);
            let file = &files[mutator.below(files.len())];
            let good = fs::read(file).unwrap();
            fs::write(file, changed(file, &good, &mut mutator)).unwrap();
            import_all(&engine, &path, seed);
            fs::write(file, good).unwrap();
        }
    }
}

/// A record is changed within its compression, which would catch the rest.
fn changed(file: &Path, good: &[u8], mutator: &mut Mutator) -> Vec<u8> {
    if file.extension().is_none_or(|extension| extension != "gz") {
        return mutator.change(good);
    }
    let mut lines = Vec::new();
    flate2::read::GzDecoder::new(good).read_to_end(&mut lines).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&mutator.change(&lines)).unwrap();
    packed.finish().unwrap()
}

fn import_all(engine: &Engine, path: &Path, seed: u64) {
    let found = ForeignStore::open(path).and_then(|store| store.images().map(|i| (store, i)));
    let (store, images) = match found {
        Ok(found) => found,
        Err(e) => return assert!(!e.report().contains('\n'), "SAPWOOD_FUZZ_SEED={seed}: {e}"),
    };
    for image in images {
        match engine.import_from(&store, &image, &Silent) {
            Ok(imported) => {
                let id = imported.loaded.id.to_string();
                engine.remove_image(&id, true).unwrap();
            }
            Err(e) => assert!(!e.report().contains('\n'), "SAPWOOD_FUZZ_SEED={seed}: {e}"),
        }
    }
    let left = engine.driver().list().unwrap();
    assert!(left.is_empty(), "SAPWOOD_FUZZ_SEED={seed}: {left:?}");
}

/// Whole archives, whose manifests, indexes and headers are changed: what is
/// refused leaves nothing.
#[test]
fn archives() {
    let dir = tempfile::tempdir().unwrap();
    let mut corpus = Vec::new();
    for format in [Format::Docker, Format::OciTar] {
        let path = dir.path().join("seed.tar");
        image().write(&path, format, Compression::None).unwrap();
        corpus.push(fs::read(path).unwrap());
    }
    let engine = open(&dir.path().join("root"));
    let first = number("SAPWOOD_FUZZ_SEED", 1);
    for seed in first..first + number("SAPWOOD_FUZZ_RUNS", 300) {
        let mut mutator = Mutator::new(seed);
        let input = mutator.change(&corpus[mutator.clone().below(2)]);
        let path = dir.path().join("input.tar");
        fs::write(&path, input).unwrap();
        match engine.load(File::open(&path).unwrap(), "the archive", &Silent) {
            Ok(loaded) => {
                for image in loaded {
                    engine.remove_image(&image.id.to_string(), true).unwrap();
                }
            }
            Err(e) => assert!(!e.report().contains('\n'), "SAPWOOD_FUZZ_SEED={seed}: {e}"),
        }
        let left = engine.driver().list().unwrap();
        assert!(left.is_empty(), "SAPWOOD_FUZZ_SEED={seed}: {left:?}");
    }
}
