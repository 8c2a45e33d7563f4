//! `apply`: archives that are damaged or say what can't be.

use graphdriver_api::{Base, ErrorKind};

use crate::suite::archive::{
    BLOCK, Format, Item, Map, archive, end, gnu_sparse, pax_sparse, unended,
};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::stop::{Verdict, When, ensure, refused, refused_as, same};

cases! { damage:
    Law dots_are_refused, Contract("`BadDiff` (names the entry and the rule)");
    Law names_that_no_file_can_have_are_refused, Contract("`BadDiff` (names the entry and the rule)");
    Law damaged_headers_are_refused, Contract("The layer archive is damaged or hostile.");
    Law damaged_records_are_refused, Contract("The layer archive is damaged or hostile.");
    Law damaged_sparse_maps_are_refused, Contract("The layer archive is damaged or hostile.");
    Law no_archive_at_all_is_refused, Contract("The layer archive is damaged or hostile.");
    Law cut_off_anywhere_is_refused, Contract("The layer archive is damaged or hostile.");
    Law a_huge_size_takes_no_memory, Contract("The layer archive is damaged or hostile.");
    Law device_numbers_that_do_not_fit_are_refused, Contract("`BadDiff` (names the entry and the rule)");
}

/// Each archive is refused as damaged, and poisons its draft.
fn each_refused(cx: &Context<'_>, archives: &[(&str, Vec<u8>)]) -> Verdict {
    let store = cx.open()?;
    for (i, (what, tar)) in archives.iter().enumerate() {
        let d = store.draft(&format!("d{i}"), Base::Scratch)?;
        refused(what, store.try_unpack(&d, tar), ErrorKind::BadDiff)?;
        ensure!(store.stat((&d).into())?.unpacking, "{what}: the draft is usable");
        store.remove((&d).into())?;
    }
    Ok(())
}

fn one(item: Item) -> Vec<u8> {
    archive(&[item])
}

fn dots_are_refused(cx: &Context<'_>) -> Verdict {
    let archives = [
        ("..", one(Item::file("..", b"1"))),
        ("../f", one(Item::file("../f", b"1"))),
        ("a/..", one(Item::file("a/..", b"1"))),
        ("a/../../f", one(Item::file("a/../../f", b"1"))),
        (". as a file", one(Item::file(".", b"1"))),
        ("./. as a link", one(Item::symlink("./.", "x"))),
        ("hard link to ..", archive(&[Item::hard_link("f", "../../etc/passwd")])),
    ];
    each_refused(cx, &archives)
}

fn names_that_no_file_can_have_are_refused(cx: &Context<'_>) -> Verdict {
    let long = "n".repeat(256);
    let archives = [
        ("256 bytes", one(Item::file(&long, b"1"))),
        ("256 bytes, by GNU", one(Item::file(&long, b"1").format(Format::Gnu))),
        ("256 bytes, in the middle", one(Item::file(format!("a/{long}/b"), b"1"))),
        ("no name", one(Item::file("", b"1"))),
        ("a slash", one(Item::file("/", b"1"))),
        ("a NUL", one(Item::file("f", b"1").pax("path", b"a\0b"))),
        ("no link target", one(Item::symlink("f", ""))),
        ("a link target of 4,096 bytes", one(Item::symlink("f", "t".repeat(4096)))),
        ("no hard link target", one(Item::hard_link("f", ""))),
        ("an attribute without a name", one(Item::file("f", b"").pax("SCHILY.xattr.", b"1"))),
    ];
    each_refused(cx, &archives)
}

fn damaged_headers_are_refused(cx: &Context<'_>) -> Verdict {
    let f = || Item::file("f", b"12345");
    let mut flipped = one(f());
    flipped[0] ^= 1;
    let archives = [
        ("a wrong checksum", one(f().bad_checksum())),
        ("a flipped bit", flipped),
        ("a mode that is no number", one(f().patch(100, b"rw-r--r"))),
        ("an owner that is no number", one(f().patch(108, b"0x00001"))),
        ("a size that is no number", one(f().patch(124, b"zzzzzzzzzzz"))),
        ("a size with octal digits 8 and 9", one(f().patch(124, b"00000000089"))),
        ("a negative size", one(f().patch(124, [0xff; 12]))),
        (
            "a size beyond 63 bits",
            one(f().patch(124, [0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
        ),
        ("a negative owner", one(f().patch(108, [0xff; 8]))),
    ];
    each_refused(cx, &archives)
}

fn damaged_records_are_refused(cx: &Context<'_>) -> Verdict {
    let with = |records: &[u8]| {
        archive(&[Item::new(b'x', "PaxHeaders/f").data(records), Item::file("f", b"1")])
    };
    let mut alone = unended(&[Item::new(b'x', "PaxHeaders/f").data(b"9 path=g\n")]);
    end(&mut alone);
    let archives = [
        ("no length", with(b"path=g\n")),
        ("a length of zero", with(b"0 path=g\n")),
        ("a length too short", with(b"5 path=g\n")),
        ("a length too long", with(b"99 path=g\n")),
        ("a length beyond 64 bits", with(b"99999999999999999999999 path=g\n")),
        ("no equals sign", with(b"9 path g\n")),
        ("no newline", with(b"9 path=gg")),
        ("no key", with(b"5 =g\n")),
        ("a size that is no number", with(b"10 size=x\n")),
        ("a negative size", with(b"11 size=-1\n")),
        ("a time that is no number", with(b"13 mtime=now\n")),
        ("an owner that is no number", with(b"8 uid=x\n")),
        ("records of nothing", alone),
    ];
    each_refused(cx, &archives)
}

fn damaged_sparse_maps_are_refused(cx: &Context<'_>) -> Verdict {
    let map = |size, data: &[(u64, &[u8])]| Map {
        size,
        data: data.iter().map(|(offset, bytes)| (*offset, bytes.to_vec())).collect(),
    };
    let beyond = map(10, &[(8, b"12345")]);
    let backwards = map(100, &[(50, b"1"), (10, b"2")]);
    let overlapping = map(100, &[(10, b"12345"), (12, b"6")]);
    let far = map(100, &[(u64::from(u32::MAX), b"1")]);
    let mut archives = Vec::new();
    let names = ["beyond the end", "backwards", "overlapping", "far beyond the end"];
    for (name, map) in names.into_iter().zip([&beyond, &backwards, &overlapping, &far]) {
        archives.push((name, one(gnu_sparse("f", map))));
        for version in ["0.0", "0.1", "1.0"] {
            archives.push((name, one(pax_sparse(version, "f", map))));
        }
    }
    let fine = map(100, &[(50, b"12345")]);
    let short = gnu_sparse("f", &fine).data(b"123").size(3);
    archives.push(("less data than the map says", one(short)));
    each_refused(cx, &archives)
}

fn no_archive_at_all_is_refused(cx: &Context<'_>) -> Verdict {
    let archives = [
        ("text", b"this is no archive".to_vec()),
        ("a block of text", vec![b'x'; 512]),
        ("gzip", [&[0x1f, 0x8b, 8, 0][..], &[7; 2000]].concat()),
        ("zstd", [&[0x28, 0xb5, 0x2f, 0xfd][..], &[7; 2000]].concat()),
        ("half a block of zeros", vec![0; 256]),
    ];
    each_refused(cx, &archives)
}

fn cut_off_anywhere_is_refused(cx: &Context<'_>) -> Verdict {
    let items = [
        Item::dir("dir").xattr("trusted.a", b"1"),
        Item::file("dir/file", vec![1; 1300]),
        Item::file("n".repeat(150), b"2").format(Format::Gnu),
        Item::empty("dir/.wh.gone"),
    ];
    let whole = archive(&items);
    // Where one entry has ended and the next not begun, only the missing end
    // of the archive tells, and behind content the missing zeros that fill its
    // last block. Some writers leave that out, and a digest of the stream is
    // what shows that something is missing there.
    let mut between = vec![0];
    for (count, content) in (1..=items.len()).zip([0_usize, 1300, 1, 0]) {
        let end = unended(&items[..count]).len();
        between.extend(end - content.wrapping_neg() % BLOCK..=end);
    }
    let offsets = (1..whole.len() - 1024).filter(|n| n % 97 == 0 || n % 512 < 2);
    let store = cx.open()?;
    for offset in offsets.filter(|n| !between.contains(n)) {
        let d = store.draft("d", Base::Scratch)?;
        let result = store.try_unpack(&d, &whole[..offset]);
        refused(format!("cut off at {offset} of {}", whole.len()), result, ErrorKind::BadDiff)?;
        let committed = store.committed_as(&d, "l")?;
        refused(
            format!("committing what was cut off at {offset}"),
            committed,
            ErrorKind::WrongState,
        )?;
        store.remove((&d).into())?;
    }
    same("layers", store.list()?.len(), 0)
}

fn a_huge_size_takes_no_memory(cx: &Context<'_>) -> Verdict {
    let huge = |size: u64| {
        let mut tar = Vec::new();
        tar.extend(unended(&[Item::file("f", b"little").size(size).format(Format::Gnu)]));
        end(&mut tar);
        tar
    };
    let archives = [
        ("2^39 bytes, of which 6 are there", huge(1 << 39)),
        ("2^62 bytes", huge(1 << 62)),
        ("2^63 - 1 bytes", huge((1 << 63) - 1)),
        (
            "a name of 2^40 bytes",
            one(Item::new(b'L', "././@LongLink").data(b"n").size(1 << 40).format(Format::Gnu)),
        ),
        (
            "records of 2^40 bytes",
            one(Item::new(b'x', "x").data(b"n").size(1 << 40).format(Format::Gnu)),
        ),
    ];
    each_refused(cx, &archives)
}

fn device_numbers_that_do_not_fit_are_refused(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    // mknod(2) knows 12 bits of major and 20 of minor numbers.
    for (i, item) in [
        Item::char_device("c", 4096, 1),
        Item::block_device("b", 1, 1 << 20),
        Item::char_device("c", 1, 3).patch(329, [0xff; 8]),
        Item::char_device("c", 1, 3).patch(337, b"minor!!"),
    ]
    .into_iter()
    .enumerate()
    {
        let d = store.draft(&format!("d{i}"), Base::Scratch)?;
        let result = store.try_unpack(&d, &one(item));
        let kinds = [ErrorKind::BadDiff, ErrorKind::Unsupported];
        refused_as(format!("device {i}"), result, &kinds).when("a number too large")?;
    }
    Ok(())
}
