//! Images on a medium that is full: what fails leaves room, and images can be
//! removed to make some. Needs root; the medium is a tmpfs in a private mount
//! namespace.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Entry, Format, Image};
use sapwood_kit::mount::{Detached, in_private_namespace};

/// What the medium holds, and what is more than that.
const ROOM: u64 = 16 << 20;
const TOO_MUCH: usize = 24 << 20;

/// Has a store with an image `small:1` on a medium of its own.
fn on_a_small_medium(driver: &str, test: impl FnOnce(&Sapwood, &Path) + Send) {
    let sapwood = Sapwood::on(driver);
    let archives = tempfile::tempdir().unwrap();
    let failed = in_private_namespace(|| {
        Detached::tmpfs(ROOM).unwrap().attach(rustix::fs::CWD, sapwood.scratch()).unwrap();
        let run = || {
            let small = write(archives.path(), "small:1", vec!["small".into(), vec![7; 1 << 20]]);
            sapwood.ok(["load", "-q", "-i", &small]);
            test(&sapwood, archives.path());
        };
        Ok(catch_unwind(AssertUnwindSafe(run)).err())
    });
    if let Some(panic) = failed.unwrap() {
        resume_unwind(panic);
    }
}

/// An image with a layer for each content.
fn write(dir: &Path, name: &str, contents: Vec<Vec<u8>>) -> String {
    let image = contents.into_iter().enumerate().fold(Image::new(name), |image, (n, content)| {
        image.layer(move |layer| layer.add(&Entry::file(format!("file-{n}"), content.clone())))
    });
    let path = dir.join(format!("{}.tar", name.replace(':', "-")));
    image.write(&path, Format::Docker, Compression::None).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Bytes that are free.
fn free(sapwood: &Sapwood) -> u64 {
    let found = rustix::fs::statvfs(sapwood.scratch()).unwrap();
    found.f_bavail * found.f_frsize
}

/// Fills the medium to the last byte.
fn fill(sapwood: &Sapwood) {
    let mut file = File::create(sapwood.scratch().join("filling")).unwrap();
    for chunk in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![1; chunk]).is_ok() {}
    }
}

fn what_doesnt_fit_leaves_room(driver: &str) {
    on_a_small_medium(driver, |sapwood, archives| {
        let before = free(sapwood);
        let large = write(archives, "large:1", vec!["a".into(), vec![9; TOO_MUCH]]);
        for _ in 0..2 {
            let (_, said) = sapwood.fails(["load", "-q", "-i", &large]);
            assert!(said.contains("No space left"), "{said}");
            // But for what the database's journal took.
            assert!(free(sapwood) + (2 << 20) > before, "{} of {before}", free(sapwood));
        }
        assert_eq!(sapwood.ok(["images", "-q"]).lines().count(), 1);
        sapwood.ok(["rmi", "small:1"]);
    });
}

#[test]
fn what_doesnt_fit_leaves_room_overlay2() {
    what_doesnt_fit_leaves_room("overlay2");
}

#[test]
fn what_doesnt_fit_leaves_room_vfs() {
    what_doesnt_fit_leaves_room("vfs");
}

#[test]
fn an_image_can_be_removed_from_a_full_medium() {
    on_a_small_medium("overlay2", |sapwood, _| {
        fill(sapwood);
        assert_eq!(free(sapwood), 0);
        sapwood.ok(["rmi", "small:1"]);
        assert!(free(sapwood) > 1 << 19, "{}", free(sapwood));
        assert_eq!(sapwood.ok(["images", "-q"]), "");
        let left = sapwood.json(["storage", "ls", "--format", "json"]);
        assert_eq!(left.as_array().map(Vec::len), Some(0), "{left}");
        fs::remove_file(sapwood.scratch().join("filling")).unwrap();
    });
}
