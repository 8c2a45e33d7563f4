//! The parser alone, on any bytes: it neither panics nor holds more than its
//! limits allow. The same function is what a fuzzer calls.

use std::io::Read;

use graphdriver_api::{ErrorKind, Limits, Result};
use proptest::prelude::*;
use sapwood_kit::archive::{Entry, Reader};

use crate::support::{Item, archive};

/// Reads an archive whole; gives its entries.
fn read(mut tar: impl Read, limits: &Limits) -> Result<Vec<Entry>> {
    let mut reader = Reader::new(&mut tar, limits);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut end = 0;
        reader.content(&entry, &mut |offset, piece| {
            assert!(offset >= end, "pieces overlap");
            end = offset + piece.len() as u64;
            assert!(end <= entry.size, "a piece beyond the file");
            Ok(())
        })?;
        entries.push(entry);
    }
    Ok(entries)
}

fn sample() -> Vec<u8> {
    let mut long = Item::new(b'L', "././@LongLink");
    long.data = b"a/long/name\0".to_vec();
    let mut global = Item::new(b'g', "global");
    global.data = b"18 comment=0a1b2c\n".to_vec();
    let sparse = |file: Item| {
        let keys = [("major", "1"), ("minor", "0"), ("realsize", "5000"), ("name", "sparse")];
        keys.iter().fold(file, |file, (k, v)| file.pax(format!("GNU.sparse.{k}"), v))
    };
    let mut map = b"2\n0\n5\n4000\n5\n".to_vec();
    map.resize(512, 0);
    map.extend(b"0123456789");
    let old = Item { flag: b'S', ..Item::file("old", "12345") };
    let old = old
        .patch(257, b"ustar  \0")
        .patch(345, [0; 155])
        .patch(386, b"00000000007\x0000000000005\0")
        .patch(483, b"00000000100\0");
    archive(&[
        global,
        Item::dir("d").xattr("user.a", "1").mtime(1, 5),
        long,
        Item::file("d/file", vec![7; 700]),
        Item::link("d/link", "d/file"),
        sparse(Item::file("GNUSparseFile.0/x", map)),
        old,
        Item::file("d/.wh.x", ""),
    ])
}

#[test]
fn the_sample_is_read() {
    let entries = read(&sample()[..], &Limits::default()).unwrap();
    let sizes: Vec<_> =
        entries.iter().map(|e| (String::from_utf8_lossy(&e.path).into_owned(), e.size)).collect();
    let expected = [
        ("d", 0),
        ("a/long/name", 700),
        ("d/link", 0),
        ("sparse", 5000),
        ("old", 64),
        ("d/.wh.x", 0),
    ];
    assert_eq!(sizes, expected.map(|(path, size)| (path.to_owned(), size)));
}

/// Gives zeros for ever, as a decompressor of a few bytes can.
struct Endless;

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        out.fill(b'1');
        Ok(out.len())
    }
}

#[test]
fn endless_records_end_at_the_limit() {
    let limits = Limits { extension_bytes: 100_000, ..Limits::default() };
    for flag in [b'x', b'g', b'L', b'K'] {
        let header = Item::new(flag, "x").size(0o77_777_777_777).bytes();
        let error = read(header.chain(Endless), &limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadDiff);
        assert!(error.report().contains("100000 bytes of extension"), "{error:?}");
    }
    // A map of holes that never ends, in each form that can.
    let old = Item { flag: b'S', ..Item::new(b'S', "old") };
    let old = old.patch(257, b"ustar  \0").patch(345, [0; 155]).patch(482, [1]);
    let mut block = vec![0; 512];
    block[504] = 1;
    let endless = block.repeat(1000);
    let error = read(old.bytes().chain(&endless[..]), &limits).unwrap_err();
    assert!(error.report().contains("100000 bytes of extension"), "{error:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_archives_are_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        sealed in any::<bool>(),
    ) {
        let mut tar = sample();
        for (at, byte) in &changes {
            let at = at.index(tar.len());
            tar[at] = *byte;
        }
        if sealed {
            // Headers whose checksum is right, so that the damage is looked at.
            for block in tar.chunks_exact_mut(512).filter(|b| b[257..262] == *b"ustar") {
                crate::support::tar::seal(block);
            }
        }
        let tar = &tar[..=cut.index(tar.len())];
        match read(tar, &Limits::default()) {
            Ok(_) => {}
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::BadDiff),
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        drop(read(&bytes[..], &Limits::default()));
    }
}
