//! Memory stays small, however large the image is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(clippy::print_stdout, reason = "how much it was")]

mod peaks;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use peaks::{Look, Peaks};
use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Entry, Format, Image, Owner, TheirStore};
use support::{Host, IMAGE};

/// All processes of a command together, each at its own worst moment.
const MOST: u64 = 96 << 20;

#[track_caller]
fn assert_small(what: &str, command: &Command, look: Look) -> Peaks {
    let peaks = peaks::of(command, look);
    assert_eq!(peaks.status, 0);
    let (sum, count) = (peaks.sum(), peaks.bytes.len());
    println!("{what}: {} KiB in {count} processes", sum >> 10);
    assert!(sum < MOST, "{what}: {peaks:?}");
    peaks
}

/// Two layers that are larger than the limit, unpacked side by side: a file
/// that is, and many that are together.
fn loads_what_is_larger_than_its_memory(driver: &str, compressions: &[Compression]) {
    let sapwood = Sapwood::on(driver);
    let image = large();
    for &compression in compressions {
        let archive = sapwood.scratch().join("large.tar");
        image.write(&archive, Format::Docker, compression).unwrap();
        let mut load = sapwood.command();
        load.args(["load", "-q", "-i"]).arg(&archive);
        let what = format!("load on {driver}, {compression:?}");
        assert_small(&what, &load, Look::AtTheEnd);
        sapwood.ok(["rmi", "large:1"]);
    }
}

fn large() -> Image {
    Image::new("large:1")
        .layer(|layer| layer.add(&Entry::file("one", noise(8 << 20).repeat(13))))
        .layer(|layer| {
            let content = noise(64 << 10);
            (0..1600)
                .try_for_each(|n| layer.add(&Entry::file(format!("many-{n}"), content.clone())))
        })
}

/// Bytes that no decompressor makes from few, nor from those so far back.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33).to_le_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}

#[test]
fn overlay2_loads_what_is_larger_than_its_memory() {
    loads_what_is_larger_than_its_memory(
        "overlay2",
        &[Compression::None, Compression::Gzip, Compression::Zstd],
    );
}

#[test]
fn vfs_loads_what_is_larger_than_its_memory() {
    loads_what_is_larger_than_its_memory("vfs", &[Compression::None]);
}

#[test]
fn what_another_engine_has_may_be_larger_too() {
    for owner in [Owner::Docker, Owner::Podman] {
        let sapwood = Sapwood::on("overlay2");
        let store = sapwood.scratch().join("theirs");
        TheirStore::write(&large(), &store, owner).unwrap();
        let mut import = sapwood.command();
        import.args(["image", "import-from", "-q"]).arg(&store);
        assert_small(&format!("import from {owner:?}"), &import, Look::AtTheEnd);
    }
}

#[test]
fn a_container_costs_little_memory_beside_its_own() {
    let host = Host::new();
    let mut run = host.command(&["--rm", "--network", "none"]);
    run.args([IMAGE, "true"]);
    let peaks = assert_small("run", &run, Look::AtEachCall);
    // The engine, its monitor, and the container's first process at least.
    assert!(peaks.bytes.len() >= 3, "{peaks:?}");
}
