//! `apply`: the spellings that tar has for one and the same tree.

use graphdriver_api::{Base, ErrorKind};

use super::apply::{gives, over};
use crate::snapshot::{Entry, Snapshot};
use crate::suite::archive::{Format, Item, Map, archive, gnu_sparse, pax_sparse};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::stop::{Verdict, When, ensure, refused, same};

cases! { formats:
    Law long_names, Contract("with PAX and GNU extensions");
    Law names_in_the_prefix_field, Image("pax(1), ustar: the prefix field goes before the name");
    Law names_that_are_not_text, Contract("Bytes as they are on disk: not necessarily UTF-8.");
    Law large_numbers, Contract("with PAX and GNU extensions");
    Law times_to_the_nanosecond, Image("pax(1), mtime: the file modification time, with fractions");
    Law extended_attributes, Image("layer.md, File Attributes: xattrs");
    Law access_control_lists, Image("layer.md, File Attributes: xattrs");
    Law file_capabilities, Image("layer.md, File Attributes: xattrs");
    Law records_before_the_header_win,
        Image("pax(1): a record overrides the field of the header block that follows it");
    Law records_are_for_one_entry, Image("pax(1): an extended header applies to the next file alone");
    Law sparse_files, Contract("with PAX and GNU extensions");
    Law sparse_files_of_many_parts, Contract("with PAX and GNU extensions");
    Law holes_stay_holes, Contract("Bytes of file content in one archive, holes included.");
    Law headers_of_the_seventh_edition, Image("pax(1), ustar: a name that ends in a slash is a directory");
    Law contiguous_files_are_files, Image("pax(1), typeflag 7: treated as type 0 by who doesn't know it");
}

fn file(content: &[u8]) -> Entry {
    Entry::file(content).mtime(1, 0)
}

fn long_names(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("below", None, |files| files.touch(".", 50, 50))?;
    for (i, format) in [Format::Pax, Format::Gnu].into_iter().enumerate() {
        let longest = "n".repeat(255);
        let (dir, target) = (format!("{}/{}", "d".repeat(255), "e".repeat(200)), "t".repeat(1500));
        let parent = "d".repeat(255);
        let items = [
            Item::dir(&parent).mtime(1, 0),
            Item::dir(&dir).mtime(1, 0),
            Item::file(format!("{dir}/{longest}"), b"1").mtime(1, 0),
            Item::symlink("soft", &target).mtime(1, 0),
            Item::hard_link("hard", format!("{dir}/{longest}")),
            Item::file("n".repeat(100), b"2").mtime(1, 0),
            Item::file("n".repeat(101), b"3").mtime(1, 0),
        ];
        let items = items.map(|item| item.format(format));
        let expected = super::apply::empty()
            .with(&parent, Entry::directory().mtime(1, 0))
            .with(&dir, Entry::directory().mtime(1, 0))
            .with(format!("{dir}/{longest}"), file(b"1"))
            .with("soft", Entry::symlink(&target).mtime(1, 0))
            .link("hard", format!("{dir}/{longest}"))
            .with("n".repeat(100), file(b"2"))
            .with("n".repeat(101), file(b"3"));
        let d = store.on(&format!("d{i}"), &l)?;
        gives(&store, &d, &items, &expected).when(format_args!("{format:?}"))?;
    }
    Ok(())
}

fn names_in_the_prefix_field(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let prefix = "p".repeat(155);
    let items = [
        Item::dir("p".repeat(155)).mtime(1, 0),
        Item::file("f", b"1").mtime(1, 0).patch(345, &prefix),
    ];
    let expected =
        below.with(&prefix, Entry::directory().mtime(1, 0)).with(format!("{prefix}/f"), file(b"1"));
    gives(&store, &d, &items, &expected)
}

fn names_that_are_not_text(cx: &Context<'_>) -> Verdict {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let store = cx.open()?;
    let (d, mut expected) = over(&store, |_| Ok(()))?;
    let mut items = Vec::new();
    for (i, name) in super::names::treacherous().iter().enumerate() {
        let format = if i % 2 == 0 { Format::Pax } else { Format::Gnu };
        items.push(Item::file(name.as_bytes(), b"1").mtime(1, 0).format(format));
        expected = expected.with(name, file(b"1"));
        // As a record, whatever it holds.
        let path = [b"r".as_slice(), &name.as_bytes()[..name.len().min(254)]].concat();
        items.push(Item::file("placeholder", b"2").mtime(1, 0).pax("path", &path));
        expected = expected.with(OsStr::from_bytes(&path), file(b"2"));
    }
    gives(&store, &d, &items, &expected)
}

fn large_numbers(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let large = u64::from(u32::MAX - 1);
    let items = [
        Item::file("pax", b"1").owner(large, 1 << 31).mtime(8_589_934_592, 0),
        Item::file("gnu", b"1").owner(large, 1 << 31).mtime(1, 0).format(Format::Gnu),
        Item::block_device("device", 4095, 1_048_575).mtime(1, 0),
    ];
    let owned = |entry: Entry| entry.owner(u32::MAX - 1, 1 << 31);
    let device = Entry::new(crate::snapshot::Kind::BlockDevice(4095, 1_048_575)).mtime(1, 0);
    let expected = below
        .with("pax", owned(Entry::file(b"1").mtime(8_589_934_592, 0)))
        .with("gnu", owned(file(b"1")))
        .with("device", device);
    gives(&store, &d, &items, &expected)?;
    // No file can have such an owner; it isn't quietly another one.
    let over = store.draft("over", Base::Scratch)?;
    let result = store.try_unpack(&over, &archive(&[Item::file("f", b"").owner(1 << 32, 0)]));
    refused("an owner beyond 32 bits", result, ErrorKind::BadDiff).map(drop)
}

fn times_to_the_nanosecond(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, mut expected) = over(&store, |_| Ok(()))?;
    let times = [
        ("1.5", 1, 500_000_000),
        ("1.000000001", 1, 1),
        ("7", 7, 0),
        ("0.1", 0, 100_000_000),
        ("-1", -1, 0),
        ("-1.25", -2, 750_000_000),
        ("1.1234567899", 1, 123_456_789),
    ];
    let mut items = Vec::new();
    for (text, sec, nsec) in times {
        items.push(Item::file(text, b"").pax("mtime", text));
        items.push(Item::symlink(format!("link{text}"), "x").pax("mtime", text));
        expected = expected
            .with(text, Entry::file(b"").mtime(sec, nsec))
            .with(format!("link{text}"), Entry::symlink("x").mtime(sec, nsec));
    }
    gives(&store, &d, &items, &expected)
}

fn extended_attributes(cx: &Context<'_>) -> Verdict {
    let names = ["user.u", "trusted.t", "security.s"];
    cx.medium_can("keep user, trusted and security attributes", |files| {
        files.write("f", b"")?;
        names.iter().try_for_each(|name| files.set_xattr("f", name, b"\0=\n\xff"))
    })?;
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let mut items = [
        Item::file("f", b"1").mtime(1, 0),
        Item::dir("d").mtime(1, 0),
        Item::fifo("p").mtime(1, 0),
    ];
    let mut entries = [
        file(b"1"),
        Entry::directory().mtime(1, 0),
        Entry::new(crate::snapshot::Kind::Fifo).mtime(1, 0),
    ];
    for name in names {
        for (item, entry) in items.iter_mut().zip(&mut entries) {
            // Only files and directories have user attributes: xattr(7).
            if name != "user.u" || entry.kind != crate::snapshot::Kind::Fifo {
                *item = item.clone().xattr(name, b"\0=\n\xff");
                *entry = entry.clone().xattr(name, b"\0=\n\xff");
            }
        }
    }
    let [f, dir, p] = entries;
    gives(&store, &d, &items, &below.with("f", f).with("d", dir).with("p", p))
}

fn access_control_lists(cx: &Context<'_>) -> Verdict {
    cx.medium_can("keep POSIX ACLs", super::attributes::write_acls)?;
    let (access, default) = ("system.posix_acl_access", "system.posix_acl_default");
    let acl = super::attributes::acl();
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let items = [
        Item::dir("d").mode(0o664).mtime(1, 0).xattr(access, &acl).xattr(default, &acl),
        // Made in a directory with a default list, and without one in the archive.
        Item::file("d/plain", b"1").mode(0o644).mtime(1, 0),
        Item::dir("d/dir").mode(0o755).mtime(1, 0),
        Item::file("f", b"1").mode(0o664).mtime(1, 0).xattr(access, &acl),
    ];
    let with = Entry::directory().mode(0o664).mtime(1, 0).xattr(access, &acl).xattr(default, &acl);
    let expected = below
        .with("d", with)
        .with("d/plain", file(b"1"))
        .with("d/dir", Entry::directory().mtime(1, 0))
        .with("f", file(b"1").mode(0o664).xattr(access, &acl));
    gives(&store, &d, &items, &expected)
}

fn file_capabilities(cx: &Context<'_>) -> Verdict {
    cx.medium_can("keep file capabilities", super::attributes::write_capabilities)?;
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    // cap_net_raw=ep, revision 2.
    let value: Vec<_> =
        [0x0200_0001_u32, 1 << 13, 0, 0, 0].iter().flat_map(|w| w.to_le_bytes()).collect();
    // With an owner and setuid: chown(2) takes capabilities away, so the order counts.
    let items = [Item::file("ping", b"#!")
        .mode(0o4755)
        .owner(0, 12)
        .mtime(1, 0)
        .xattr("security.capability", &value)];
    let ping = file(b"#!").mode(0o4755).owner(0, 12).xattr("security.capability", &value);
    gives(&store, &d, &items, &below.with("ping", ping))
}

fn records_before_the_header_win(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let items = [
        Item::file("other", b"12345")
            .size(0)
            .pax("size", "5")
            .pax("path", "name")
            .pax("uid", "7")
            .pax("gid", "8")
            .pax("mtime", "1"),
        Item::symlink("soft", "wrong").pax("linkpath", "right").mtime(1, 0),
    ];
    let expected = below
        .with("name", file(b"12345").owner(7, 8))
        .with("soft", Entry::symlink("right").mtime(1, 0));
    gives(&store, &d, &items, &expected)
}

fn records_are_for_one_entry(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let items = [
        Item::file("a", b"1").mtime(1, 5).owner(1 << 31, 0).xattr("trusted.a", b"1"),
        Item::file("b", b"2").mtime(1, 0),
        Item::file("n".repeat(120), b"3").mtime(1, 0).format(Format::Gnu),
        Item::file("c", b"4").mtime(1, 0).format(Format::Gnu),
    ];
    let expected = below
        .with("a", Entry::file(b"1").mtime(1, 5).owner(1 << 31, 0).xattr("trusted.a", b"1"))
        .with("b", file(b"2"))
        .with("n".repeat(120), file(b"3"))
        .with("c", file(b"4"));
    gives(&store, &d, &items, &expected)
}

const VERSIONS: [&str; 4] = ["gnu", "0.0", "0.1", "1.0"];

fn sparse(version: &str, map: &Map) -> Item {
    match version {
        "gnu" => gnu_sparse(version, map).mtime(1, 0),
        version => pax_sparse(version, version, map).mtime(1, 0),
    }
}

fn sparse_files(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, mut expected) = over(&store, |_| Ok(()))?;
    let map = Map {
        size: 300_000,
        data: vec![
            (0, b"start".to_vec()),
            (100_000, vec![7; 600]),
            (299_990, b"the end...".to_vec()),
        ],
    };
    let (hole, mut items) = (Map { size: 70_000, data: vec![(70_000, Vec::new())] }, Vec::new());
    for version in VERSIONS {
        items.push(sparse(version, &map));
        expected = expected.with(version, file(&map.content()));
    }
    items.push(gnu_sparse("hole", &hole).mtime(1, 0));
    items.push(Item::file("after", b"is read").mtime(1, 0));
    let expected = expected.with("hole", file(&hole.content())).with("after", file(b"is read"));
    gives(&store, &d, &items, &expected)
}

fn sparse_files_of_many_parts(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, mut expected) = over(&store, |_| Ok(()))?;
    // Beyond the 4 of a header, and beyond the 21 of one block behind it.
    let data = (0..60_u64).map(|i| (i * 8192, format!("part {i}").into_bytes())).collect();
    let map = Map { size: 60 * 8192, data };
    let mut items = Vec::new();
    for version in VERSIONS {
        items.push(sparse(version, &map));
        expected = expected.with(version, file(&map.content()));
    }
    gives(&store, &d, &items, &expected)
}

fn holes_stay_holes(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let map = Map { size: 64 << 20, data: vec![(32 << 20, b"in the middle".to_vec())] };
    for version in VERSIONS {
        let d = store.draft(&format!("d{version}"), Base::Scratch)?;
        let applied = store.unpack(&d, &archive(&[sparse(version, &map)]))?;
        same(format!("{version}: bytes, holes included"), applied.bytes, 64 << 20)?;
        let used = store.usage((&d).into())?.bytes;
        ensure!(used < 1 << 20, "{version}: 64 MiB with 13 bytes of data take {used} bytes");
    }
    Ok(())
}

fn headers_of_the_seventh_edition(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let old = |item: Item| item.mtime(1, 0).patch(257, [0; 255]);
    let items = [
        old(Item::new(0, "dir/").mode(0o755)),
        old(Item::new(0, "dir/file").data(b"1")),
        old(Item::symlink("link", "dir")),
    ];
    let expected: Snapshot = below
        .with("dir", Entry::directory().mtime(1, 0))
        .with("dir/file", file(b"1"))
        .with("link", Entry::symlink("dir").mtime(1, 0));
    gives(&store, &d, &items, &expected)
}

fn contiguous_files_are_files(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let items = [Item::new(b'7', "f").data(b"1").mtime(1, 0)];
    gives(&store, &d, &items, &below.with("f", file(b"1")))
}
