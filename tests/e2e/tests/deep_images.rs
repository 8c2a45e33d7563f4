//! Images of many layers, from the archive to a process that sees all of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "how long it took")]

use std::time::Instant;

use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Format, many_layers};

const NAME: &str = "deep:1";

/// Loads an image of `count` layers and runs a container on it.
fn sees_every_layer(driver: &str, count: usize, compression: Compression) {
    let sapwood = Sapwood::on(driver);
    let archive = sapwood.scratch().join("deep.tar");
    many_layers(NAME, count).unwrap().write(&archive, Format::OciTar, compression).unwrap();

    let begin = Instant::now();
    sapwood.ok(["load", "-q", "-i", archive.to_str().unwrap()]);
    println!("{driver}: {count} layers were loaded in {:?}", begin.elapsed());
    let nodes = |sapwood: &Sapwood| sapwood.ok(["storage", "ls", "-q"]).lines().count();
    assert_eq!(nodes(&sapwood), count);

    // busybox's layer has no number; the others' are 1 to count - 1.
    let last = count - 1;
    let there: Vec<_> = (1..count).filter(|n| (n + 1) % 10 != 0 || *n == last).collect();
    let (first, middle) = (there[0], there[there.len() / 2]);
    let script = format!(
        "echo >> /layers/{first}; ls /bin/busybox; cat /top /layers/{middle} /layers/{last}; \
         ls /layers | sort -n"
    );
    let begin = Instant::now();
    let said = sapwood.ok(["run", "--name", "deep", NAME, "sh", "-c", &script]);
    println!("{driver}: a container on {count} layers ran in {:?}", begin.elapsed());
    let numbers = there.iter().map(|n| format!("{n}\n")).collect::<String>();
    assert_eq!(said, format!("/bin/busybox\n{last}\n{middle}\n{last}\n{numbers}"));

    // It came up from near the bottom of the chain, and alone.
    let container = sapwood.ok(["ps", "-aq"]);
    let changes = sapwood.ok(["storage", "changes", container.trim()]);
    assert_eq!(changes, format!("C /layers/{first}\n"));

    sapwood.ok(["rm", "deep"]);
    sapwood.ok(["rmi", NAME]);
    assert_eq!(nodes(&sapwood), 0);
}

#[test]
fn a_container_on_two_hundred_layers_sees_each_on_overlay2() {
    sees_every_layer("overlay2", 200, Compression::Gzip);
}

/// Each layer of vfs is a whole copy: fewer show the same.
#[test]
fn a_container_on_fifty_layers_sees_each_on_vfs() {
    sees_every_layer("vfs", 50, Compression::Gzip);
}
