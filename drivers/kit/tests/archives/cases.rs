//! Each kind of entry over each kind of thing beneath, on a whole tree.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use graphdriver_api::{Applied, ErrorKind};
use sapwood_kit::at::xattr::{self, Target};

use crate::support::tree::{assert_same, touch};
use crate::support::{Item, Room, Tree, apply, archive, compared, refused, snapshot};

const NONE: &[Item] = &[];

/// What is beneath, by name; directories end with a slash, links have an arrow.
fn write(root: &Path, beneath: &[&str]) {
    for name in beneath {
        if let Some((link, target)) = name.split_once(" -> ") {
            symlink(target, root.join(link)).unwrap();
        } else if let Some((link, target)) = name.split_once(" = ") {
            fs::hard_link(root.join(target), root.join(link)).unwrap();
        } else if name.ends_with('/') {
            fs::create_dir(root.join(name)).unwrap();
        } else {
            fs::write(root.join(name), name).unwrap();
        }
    }
    for name in beneath.iter().rev() {
        let name = name.split_once(" -> ").map_or(*name, |(link, _)| link);
        let name = name.split_once(" = ").map_or(name, |(link, _)| link);
        touch(&root.join(name), 10, 10);
    }
    touch(root, 50, 50);
}

/// The tree that comes of it, in short lines without what is as usual.
fn gives(beneath: &[&str], items: &[Item]) -> Vec<String> {
    let room = Room::new();
    let again = room.dir("again");
    for root in [&room.root(), &again] {
        write(root, beneath);
        apply(root, &archive(items)).unwrap();
    }
    assert_eq!(compared(&room.root(), &again), [""; 0]);
    short(&snapshot(&room.root()))
}

fn short(tree: &Tree) -> Vec<String> {
    tree.iter()
        .map(|(path, line)| {
            let mut words: Vec<_> = line.split(' ').collect();
            if words[0] == "file" {
                words.remove(2);
            }
            let line = words.join(" ");
            let line = line.replace(" 0:0", "").replace(".000000000", ".0");
            format!("{}: {}", path.display(), line.replace(" 0.0", " 0"))
        })
        .collect()
}

/// Whatever the order of the entries: as they come, and reversed.
#[test]
fn whiteouts_hide_what_is_beneath_and_nothing_of_the_archive() {
    let beneath = ["d/", "d/a", "d/b", "d/s/", "d/s/x", "f"];
    let d = "d: dir 0755 10.000000010";
    let s = "d/s: dir 0755 10.000000010";
    let (a, b) = ("d/a: file 3 0644 10.000000010", "d/b: file 3 0644 10.000000010");
    let (x, f) = ("d/s/x: file 5 0644 10.000000010", "f: file 1 0644 10.000000010");
    let table: &[(&[Item], &[&str])] = &[
        (&[Item::file(".wh.f", "")], &[d, a, b, s, x]),
        (&[Item::file(".wh.d", "")], &[f]),
        (
            &[Item::file("d/.wh..wh..opq", ""), Item::file("d/new", "1")],
            &[d, "d/new: file 1 0644 1.0", f],
        ),
        (
            &[Item::file("d/.wh..wh..opq", ""), Item::file("d/s/new", "1")],
            &[d, "d/s: dir 0755 0", "d/s/new: file 1 0644 1.0", f],
        ),
        (
            // The directories are new, and no entry gives them attributes.
            &[Item::file(".wh.d", ""), Item::file("d/s/new", "1")],
            &["d: dir 0755 0", "d/s: dir 0755 0", "d/s/new: file 1 0644 1.0", f],
        ),
        (
            &[Item::file("d/.wh.s", ""), Item::dir("d/s").mode(0o700).mtime(7, 7)],
            &[d, a, b, "d/s: dir 0700 7.000000007", f],
        ),
        (
            &[Item::file(".wh..wh..opq", ""), Item::file("d/s/x", "12")],
            &["d: dir 0755 0", "d/s: dir 0755 0", "d/s/x: file 2 0644 1.0"],
        ),
        (&[Item::file(".wh.f", ""), Item::file("f", "12")], &[d, a, b, s, x, "f: file 2 0644 1.0"]),
    ];
    for (items, expected) in table {
        for reversed in [false, true] {
            let mut items = items.to_vec();
            if reversed {
                items.reverse();
            }
            assert_eq!(gives(&beneath, &items)[1..], **expected, "reversed: {reversed}");
        }
    }
}

#[test]
fn a_whiteout_in_what_is_not_there_makes_nothing() {
    let beneath = ["f"];
    let before = gives(&beneath, NONE);
    for path in [".wh.x", "no/.wh.x", "no/such/.wh..wh..opq", "f/.wh.x"] {
        assert_eq!(gives(&beneath, &[Item::file(path, "")]), before, "{path}");
    }
}

#[test]
fn directories_on_the_way_keep_their_times_and_missing_ones_get_none() {
    let found = gives(&["a/", "a/b/"], &[Item::file("a/b/c/d", "1"), Item::file("a/b/e", "2")]);
    assert_eq!(
        found,
        [
            ".: dir 0755 50.000000050",
            "a: dir 0755 10.000000010",
            "a/b: dir 0755 10.000000010",
            "a/b/c: dir 0755 0",
            "a/b/c/d: file 1 0644 1.0",
            "a/b/e: file 1 0644 1.0",
        ]
    );
}

#[test]
fn the_same_archive_in_any_order_gives_directories_their_own_times() {
    let items = [
        Item::dir("a").mtime(2, 2).mode(0o111),
        Item::dir("a/b").mtime(3, 3).mode(0),
        Item::file("a/b/c", "1"),
        Item::symlink("a/l", "b"),
        Item::link("h", "a/b/c"),
        Item::dir("./").mtime(9, 9).mode(0o1777).owner(1, 2),
    ];
    let expected = [
        ".: dir 1777 1:2 9.000000009",
        "a: dir 0111 2.000000002",
        "a/b: dir 0000 3.000000003",
        "a/b/c: file 1 0644 1.0 one of [\"a/b/c\", \"h\"]",
        "a/l: -> \"b\" 0777 1.0",
        "h: file 1 0644 1.0 one of [\"a/b/c\", \"h\"]",
    ];
    assert_eq!(gives(&["x"], &items)[..6], expected);
    let mut jumbled = items.to_vec();
    jumbled.rotate_left(2);
    assert_eq!(gives(&["x"], &jumbled)[..6], expected);
}

#[test]
fn entries_beneath_links_of_a_merged_usr() {
    let beneath = ["usr/", "usr/bin/", "usr/bin/sh", "bin -> usr/bin", "abs -> /usr/../usr"];
    let found = gives(
        &beneath,
        &[
            Item::file("bin/a", "1"),
            Item::file("bin/b", "2"),
            Item::dir("bin/d").mtime(5, 5),
            Item::file("bin/d/x", "3"),
            Item::file("bin/.wh.sh", ""),
            Item::file("abs/bin/c", "4"),
            Item::link("bin/e", "abs/bin/a"),
            Item::file("abs/new/f", "5"),
        ],
    );
    assert_eq!(
        found,
        [
            ".: dir 0755 50.000000050",
            "abs: -> \"/usr/../usr\" 0777 10.000000010",
            "bin: -> \"usr/bin\" 0777 10.000000010",
            "usr: dir 0755 10.000000010",
            "usr/bin: dir 0755 10.000000010",
            "usr/bin/a: file 1 0644 1.0 one of [\"usr/bin/a\", \"usr/bin/e\"]",
            "usr/bin/b: file 1 0644 1.0",
            "usr/bin/c: file 1 0644 1.0",
            "usr/bin/d: dir 0755 5.000000005",
            "usr/bin/d/x: file 1 0644 1.0",
            "usr/bin/e: file 1 0644 1.0 one of [\"usr/bin/a\", \"usr/bin/e\"]",
            "usr/new: dir 0755 0",
            "usr/new/f: file 1 0644 1.0",
        ]
    );
}

/// The root's entry leaves the directory that the link led to.
#[test]
fn a_link_is_followed_again_behind_the_entry_of_the_root() {
    let items = [
        Item::dir("usr"),
        Item::dir("usr/lib"),
        Item::symlink("lib", "usr/lib"),
        Item::file("lib/a", "1"),
        Item::dir("./"),
        Item::file("lib/b", "2"),
        Item::link("c", "lib/b"),
        Item::dir("./"),
        Item::file("lib/d", "3"),
    ];
    for beneath in [&[][..], &["x"]] {
        let found = gives(beneath, &items).join("\n");
        for path in ["usr/lib/a: ", "usr/lib/b: ", "usr/lib/d: "] {
            assert!(found.contains(&format!("\n{path}")), "{path}in {found}");
        }
    }
}

#[test]
fn a_link_that_is_replaced_is_not_followed_any_more() {
    let beneath = ["usr/", "usr/bin/", "bin -> usr/bin"];
    let items = [Item::file("bin/a", "1"), Item::dir("bin"), Item::file("bin/b", "2")];
    let found = gives(&beneath, &items);
    assert!(found.contains(&"usr/bin/a: file 1 0644 1.0".to_owned()), "{found:#?}");
    assert!(found.contains(&"bin/b: file 1 0644 1.0".to_owned()), "{found:#?}");
    // Through another name of the same directory.
    let beneath = ["dot -> .", "usr/", "bin -> usr"];
    let items = [Item::file("bin/a", "1"), Item::dir("dot/bin"), Item::file("bin/b", "2")];
    let found = gives(&beneath, &items);
    assert!(found.contains(&"usr/a: file 1 0644 1.0".to_owned()), "{found:#?}");
    assert!(found.contains(&"bin/b: file 1 0644 1.0".to_owned()), "{found:#?}");
}

#[test]
fn hard_links_follow_nothing_and_replace_what_is_there() {
    let beneath = ["a", "b = a", "s -> a", "d/", "d/x"];
    let found =
        gives(&beneath, &[Item::link("c", "s"), Item::link("d", "a"), Item::link("a", "a")]);
    let names = "one of [\"a\", \"b\", \"d\"]";
    assert_eq!(
        found[1..],
        [
            format!("a: file 1 0644 10.000000010 {names}"),
            format!("b: file 1 0644 10.000000010 {names}"),
            "c: -> \"a\" 0777 10.000000010 one of [\"c\", \"s\"]".to_owned(),
            format!("d: file 1 0644 10.000000010 {names}"),
            "s: -> \"a\" 0777 10.000000010 one of [\"c\", \"s\"]".to_owned(),
        ]
    );
}

#[test]
fn owners_modes_and_capabilities_come_out_whole() {
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let items = [
        Item::file("ping", "1").mode(0o6755).owner(7, 8).xattr("security.capability", capability),
        Item::dir("dir").mode(0o3770).owner(3_000_000_000, 9),
        Item::file("dir/in", "").mode(0o4711).owner(1, 1),
        Item::symlink("link", "x").owner(5, 6).xattr("trusted.link", "1"),
        Item::device(b'3', "null", 1, 3).mode(0o666).owner(0, 5).xattr("trusted.dev", "2"),
        Item::new(b'6', "fifo").mode(0o2600),
    ];
    let found = gives(&[], &items);
    assert!(found[4].starts_with("link: -> \"x\" 0777 5:6 1.0 \"trusted.link\"=1"), "{found:#?}");
    for line in [
        "dir: dir 3770 3000000000:9 1.0",
        "dir/in: file 0 4711 1:1 1.0",
        "fifo: fifo 2600 1.0",
        "null: char 1:3 0666 0:5 1.0 \"trusted.dev\"=2",
    ] {
        assert!(found.contains(&line.to_owned()), "{line}: {found:#?}");
    }
    let ping = found.iter().find(|line| line.starts_with("ping")).unwrap();
    assert!(ping.contains("6755 7:8") && ping.contains("security.capability"), "{ping}");
}

/// Not masked by the umask, and no ACL or group that a directory hands down.
#[test]
fn nothing_is_inherited() {
    let room = Room::new();
    let root = room.root();
    write(&root, &["d/"]);
    rustix::fs::chmod(root.join("d"), rustix::fs::Mode::from_raw_mode(0o2775)).unwrap();
    rustix::fs::chown(root.join("d"), None, Some(rustix::fs::Gid::from_raw(77))).unwrap();
    let acl = sapwood_kit::archive::acl::from_text(
        b"user::rwx,user:1000:rwx,group::rwx,mask::rwx,other::---",
    );
    let d = crate::support::open(&root.join("d"));
    let default = std::ffi::OsStr::new("system.posix_acl_default");
    xattr::set(Target::open(&d), default, &acl.unwrap()).unwrap();
    let items = [
        Item::file("d/file", "1").mode(0o666),
        Item::dir("d/dir").mode(0o777),
        Item::file("d/dir/f", "1").mode(0o666),
        Item::new(b'6', "d/fifo").mode(0o622),
        Item::symlink("d/link", "x"),
        Item::file("d/implied/f", "2").mode(0o606),
    ];
    apply(&root, &archive(&items)).unwrap();
    let found = short(&snapshot(&root));
    let mut lines = found[1..].iter().filter(|line| !line.starts_with("d: "));
    assert!(lines.all(|line| !line.contains("acl") && !line.contains(":77")), "{found:#?}");
    for line in ["d/dir: dir 0777 1.0", "d/file: file 1 0666 1.0", "d/implied: dir 0755 0"] {
        assert!(found.contains(&line.to_owned()), "{line}: {found:#?}");
    }
    // The directory's own entry takes its ACL away.
    apply(&root, &archive(&[Item::dir("d")])).unwrap();
    assert!(!short(&snapshot(&root))[1].contains("acl"));
}

#[test]
fn zeros_become_holes_and_maps_are_kept() {
    let mut data = vec![0; 3 << 20];
    data[(1 << 20) + 5] = 7;
    let room = Room::new();
    apply(&room.root(), &archive(&[Item::file("f", &data), Item::file("zeros", vec![0; 70_000])]))
        .unwrap();
    let meta = fs::metadata(room.root().join("f")).unwrap();
    assert!(fs::read(room.root().join("f")).unwrap() == data);
    assert!(meta.blocks() * 512 <= 64 << 10, "{} blocks", meta.blocks());
    assert_eq!(fs::read(room.root().join("zeros")).unwrap(), vec![0; 70_000]);
}

#[test]
fn paths_may_be_longer_than_any_path() {
    let deep = vec!["n".repeat(200); 300].join("/");
    let room = Room::new();
    let items = [Item::file(&deep, "1"), Item::link("link", &deep), Item::file("after", "2")];
    let outcome = apply(&room.root(), &archive(&items)).unwrap();
    assert_eq!(outcome.applied, Applied { entries: 3, bytes: 2, whiteouts: 0, replaced: 0 });
    assert_eq!(fs::read(room.root().join("link")).unwrap(), b"1");
    let items = [Item::file(format!(".wh.{}", "n".repeat(200)), "")];
    apply(&room.root(), &archive(&items)).unwrap();
    assert_eq!(fs::metadata(room.root().join("link")).unwrap().nlink(), 1);
}

#[test]
fn aufs_books_are_skipped_at_the_root_and_refused_elsewhere() {
    let books = [
        Item::dir(".wh..wh.plnk"),
        Item::file(".wh..wh.plnk/8.9", "content"),
        Item::file(".wh..wh.aufs", ""),
        Item::file("f", "1"),
    ];
    assert_eq!(gives(&[], &books).len(), 2);
    let room = Room::new();
    let link = Item::link("g", ".wh..wh.plnk/8.9");
    let words = refused(apply(&room.root(), &archive(&[link])), ErrorKind::BadDiff);
    assert!(words.contains("AUFS") && words.contains("\"g\""), "{words}");
}

#[test]
fn every_entry_of_a_global_header_counts_until_it_is_taken_back() {
    let mut global = Item::new(b'g', "global");
    for (key, value) in [("uid", "7"), ("mtime", "5.5"), ("SCHILY.xattr.trusted.g", "1")] {
        sapwood_kit::archive::pax::push(&mut global.data, key.as_bytes(), value.as_bytes());
    }
    let items =
        [Item::file("a", ""), global, Item::file("b", ""), Item::file("c", "").pax("uid", "")];
    let found = gives(&[], &items);
    assert_eq!(found[1], "a: file 0 0644 1.0");
    assert_eq!(found[2], "b: file 0 0644 7:0 5.500000000 \"trusted.g\"=1");
    assert_eq!(found[3], "c: file 0 0644 5.500000000 \"trusted.g\"=1");
}

#[test]
fn attributes_that_belong_to_the_host_are_left_to_it() {
    let items = [Item::file("f", "").xattr("security.selinux", "label").xattr("user.a", "1")];
    assert_eq!(gives(&[], &items)[1], "f: file 0 0644 1.0 \"user.a\"=1");
}

#[test]
fn whether_the_root_was_named_is_told() {
    let room = Room::new();
    assert!(!apply(&room.root(), &archive(&[Item::file("a", "")])).unwrap().root);
    assert!(apply(&room.root(), &archive(&[Item::dir("./")])).unwrap().root);
    let before = snapshot(&room.root());
    apply(&room.root(), b"").unwrap();
    apply(&room.root(), &[0; 512]).unwrap();
    assert_same("empty archives", &before, &snapshot(&room.root()));
}
