//! Archives that end too early, at every block and at odd places.

use graphdriver_api::ErrorKind;

use crate::support::{Item, Room, apply, archive, refused};

#[test]
fn every_cut_within_an_entry_is_noticed() {
    let mut long = Item::new(b'L', "././@LongLink");
    long.data = [&b"n".repeat(600)[..], b"\0"].concat();
    long.data.truncate(200);
    let items = [
        Item::dir("d").xattr("user.a", "1"),
        Item::file("d/file", vec![1; 1300]),
        long,
        Item::file("x", "short"),
        Item::symlink("s", "t".repeat(150)),
        Item::file("sparse", "0123456789")
            .pax("GNU.sparse.size", "9000")
            .pax("GNU.sparse.map", "5,10"),
        Item::file("d/.wh.gone", ""),
    ];
    let whole = archive(&items);
    let end = whole.len() - 1024;
    // Between two entries, and in the zeros that fill up a block, nothing tells:
    // the digest of the layer does.
    let mut fine: Vec<usize> = vec![0];
    let mut at = 0;
    for item in &items {
        at += item.bytes().len();
        // A long name belongs to the entry behind it.
        if item.flag != b'L' {
            fine.extend(at - item.data.len().wrapping_neg() % 512..=at);
        }
    }
    fine.extend([end + 512, whole.len()]);
    let blocks = (0..=whole.len()).step_by(512);
    let odd = (0..whole.len()).filter(|n| n % 131 == 7 || n % 512 == 1 || n % 512 == 511);
    let mut cuts = 0;
    for cut in blocks.chain(odd) {
        let room = Room::new();
        let result = apply(&room.root(), &whole[..cut]);
        if fine.contains(&cut) {
            result.unwrap_or_else(|e| panic!("cut at {cut} of {}: {e:?}", whole.len()));
        } else {
            let report = refused(result, ErrorKind::BadDiff);
            assert!(report.contains("byte"), "{report}");
            cuts += 1;
        }
    }
    assert!(cuts > 40, "{cuts} cuts");
}

#[test]
fn the_entry_that_was_cut_is_named() {
    let whole = archive(&[Item::file("dir/big", vec![1; 5000])]);
    let room = Room::new();
    let report = refused(apply(&room.root(), &whole[..3000]), ErrorKind::BadDiff);
    assert!(report.contains("\"dir/big\"") && report.contains("byte 3000"), "{report}");
}

/// As `umoci insert` writes a layer.
#[test]
fn the_last_block_may_be_short() {
    let items = [Item::file("a", "first"), Item::file("b", "last")];
    let whole = archive(&items);
    let end = whole.len() - 1024 - 512 + 4;
    for cut in [end, end + 1, end + 507, end + 508] {
        let room = Room::new();
        apply(&room.root(), &whole[..cut]).unwrap();
        assert_eq!(std::fs::read(room.root().join("a")).unwrap(), b"first");
        assert_eq!(std::fs::read(room.root().join("b")).unwrap(), b"last");
    }
    let room = Room::new();
    refused(apply(&room.root(), &whole[..end - 1]), ErrorKind::BadDiff);
}
