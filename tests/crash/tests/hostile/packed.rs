//! What is packed too well, and what passes a limit.

use std::io::Write;

use flate2::write::GzEncoder;

use super::layers::Outcome::{self, Refused, Unpacked};
use super::tar::Tar;
use super::{EVIL, Target, docker};

/// More zeros than may come of so little, as the content of one file.
const MANY: u64 = (1 << 30) + (64 << 20);

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A layer with a file of that many zeros, packed while it is made.
fn zeros<W: Write>(mut out: W) -> W {
    let size = format!("{MANY:011o}");
    out.write_all(&Tar::new().header(b'0', b"zeros", b"", size.as_bytes()).cut(0)).unwrap();
    let chunk = vec![0; 1 << 20];
    (0..MANY >> 20).for_each(|_| out.write_all(&chunk).unwrap());
    out.write_all(&[0; 1024]).unwrap();
    out
}

fn target() -> Target {
    let target = Target::on("overlay2");
    target.sapwood.ok(["tag", EVIL, "good:1"]);
    target.sapwood.ok(["rmi", EVIL]);
    Target { rest: target.inventory(), ..target }
}

#[test]
fn bombs_are_refused_by_the_limit_and_let_through_with_a_higher_one() {
    let target = target();
    let encoder = zeros(GzEncoder::new(Vec::new(), flate2::Compression::best()));
    let gzip = encoder.finish().unwrap();
    let zstd = zeros(zstd::Encoder::new(Vec::new(), 3).unwrap()).finish().unwrap();
    let why = Refused("unpacks to more than 250 times its size (limit expansion); --limit");
    let gzip = target.write("bomb.gz", &gzip);
    target.judge("a gzip bomb", &["import", &gzip, EVIL], why);
    let path = target.write("bomb.zst", &zstd);
    target.judge("a zstd bomb", &["load", "-q", "-i", &path], why);
    let more = ["import", "--limit", "expansion=100000", &path, EVIL];
    target.judge("a zstd bomb that is allowed", &more, Unpacked);
    let small = ["import", "--limit", "bytes=1g", &path, EVIL];
    target.judge("a large file", &small, Refused("(limit bytes)"));
}

#[test]
fn a_window_that_takes_the_memory_is_refused() {
    let target = target();
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.write_all(&Tar::new().file("a").end()).unwrap();
    // So much that the window isn't made smaller for want of content.
    let noise: Vec<u8> =
        (0..1_u32 << 20).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    encoder.write_all(&noise).unwrap();
    let path = target.write("window.zst", &encoder.finish().unwrap());
    let why = Refused("zstd window is larger than 128 MiB (limit zstd-window)");
    target.judge("a large window", &["import", &path, EVIL], why);
    let more = ["import", "--limit", "zstd-window=256m", &path, EVIL];
    target.judge("a large window that is allowed", &more, Unpacked);
}

#[test]
fn every_limit_of_layers_is_named_and_can_be_raised() {
    let target = target();
    let layer = Tar::new()
        .dir("a/b/c/d")
        .pax(&[("SCHILY.xattr.user.a", &[b'x'; 600])])
        .entry(b'0', b"file", b"", &[1; 3000])
        .end();
    let alone = target.write("layer.tar", &layer);
    let whole = target.write("image.tar", &docker(&layer));
    for (limit, low, high) in [
        ("entries", "1", "100"),
        ("bytes", "2k", "4k"),
        ("depth", "3", "4"),
        ("xattr-bytes", "100", "1k"),
        ("extension-bytes", "100", "1k"),
    ] {
        let judge = |value: &str, expected: Outcome| {
            let limit = format!("{limit}={value}");
            target.judge(&limit, &["import", "--limit", &limit, &alone, EVIL], expected);
            target.judge(&limit, &["load", "--limit", &limit, "-q", "-i", &whole], expected);
        };
        judge(low, Refused("would allow more: "));
        judge(high, Unpacked);
    }
    let tiny = ["load", "--limit", "manifest-bytes=50", "-q", "-i", &whole];
    target.judge("manifests", &tiny, Refused("(limit manifest-bytes); --limit"));
    let config = target.write("config.toml", b"[limits]\nentries = 1\n");
    let by_file = ["import", "--config", &config, &alone, EVIL];
    target.judge("the file's limit", &by_file, Refused("(limit entries)"));
}

#[test]
fn packed_bytes_that_are_damaged_are_refused() {
    let target = target();
    let layer = Tar::new().entry(b'0', b"a", b"", &[7; 100_000]).end();
    let gz = gzip(&layer);
    let mut flipped = gz.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    for (name, bytes, expected) in [
        ("whole.gz", gz.clone(), Unpacked),
        ("two.gz", [gzip(&layer[..1000]), gzip(&layer[1000..])].concat(), Unpacked),
        ("cut.gz", gz[..gz.len() - 5].to_vec(), Refused("")),
        ("flipped.gz", flipped, Refused("")),
        ("behind.gz", [gz, b"garbage".to_vec()].concat(), Refused("")),
    ] {
        let path = target.write(name, &bytes);
        target.judge(name, &["import", &path, EVIL], expected);
    }
}
