//! Upper directories: what an archive makes of one, merged by the kernel with
//! what is beneath, is what it makes of the whole tree.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use graphdriver_api::ErrorKind;
use proptest::prelude::*;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use sapwood_kit::archive::{Beneath, Form};
use sapwood_kit::whiteout::{Namespace, OverlayFormat, WhiteoutForm};

use crate::support::tree::{assert_same, copy, differences, touch};
use crate::support::{Item, Room, Tree, apply, apply_as, archive, compared, refused, snapshot};

const FORMATS: [(OverlayFormat, &str); 3] = [
    (OverlayFormat::KERNEL, ""),
    (OverlayFormat { namespace: Namespace::User, whiteouts: WhiteoutForm::Device }, ",userxattr"),
    (OverlayFormat { namespace: Namespace::Trusted, whiteouts: WhiteoutForm::Attribute }, ""),
];

fn write_base(root: &Path) {
    for dir in ["d", "d/s", "d/s/t", "e", "usr", "usr/bin"] {
        fs::create_dir(root.join(dir)).unwrap();
    }
    for file in ["a", "b", "d/a", "d/b", "d/s/x", "d/s/t/y", "e/a", "usr/bin/sh"] {
        fs::write(root.join(file), file).unwrap();
    }
    symlink("usr/bin", root.join("bin")).unwrap();
    symlink("d", root.join("l")).unwrap();
    let paths = ["a", "b", "bin", "d/a", "d/b", "d/s/x", "d/s/t/y", "e/a", "l", "usr/bin/sh"];
    for path in paths.iter().chain(&["d/s/t", "d/s", "d", "e", "usr/bin", "usr", "."]) {
        touch(&root.join(path), 10, 10);
    }
}

/// What the kernel shows of `upper` over `lower`, in a mount namespace of its
/// own; the upper directory as another lower one, which it is once committed.
/// And how that differs from `whole`.
fn merged(
    room: &Path,
    upper: &Path,
    lower: &Path,
    whole: &Path,
    options: &str,
) -> (Tree, Vec<String>) {
    let at: PathBuf = room.join("merged");
    fs::create_dir_all(&at).unwrap();
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            sapwood_sys::thread::unshare_mounts().unwrap();
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
            let data = format!("lowerdir={}:{}{options}", upper.display(), lower.display());
            let data = std::ffi::CString::new(data).unwrap();
            mount("overlay", &at, "overlay", MountFlags::empty(), data.as_c_str()).unwrap();
            let found = (snapshot(&at), compared(whole, &at));
            unmount(&at, UnmountFlags::empty()).unwrap();
            found
        });
        work.join().unwrap()
    })
}

/// Applies to both; gives what differs, or `None` if the upper directory needs
/// its parent.
fn compare(items: &[Item], format: OverlayFormat, options: &str) -> Option<Vec<String>> {
    let room = Room::new();
    let (base, whole, upper) = (room.root(), room.dir("whole"), room.dir("upper"));
    write_base(&base);
    copy(&base, &whole);
    let tar = archive(items);
    let form = Form::Upper { format, beneath: Beneath::Unknown };
    let (expected, found) = (apply(&whole, &tar), apply_as(form, &upper, &tar));
    match (expected, found) {
        (_, Err(error)) if error.kind() == ErrorKind::NeedsParent => None,
        (Err(a), Err(b)) => (a.kind() != b.kind()).then(|| vec![format!("{b:?}, expected {a:?}")]),
        (Ok(a), Ok(b)) => {
            assert_eq!(a, b);
            if !b.root {
                // What a driver does for an archive that doesn't name it.
                copy_root(&base, &upper);
            }
            let (found, compared) = merged(room.path(), &upper, &base, &whole, options);
            let differences = differences(&snapshot(&whole), &found);
            // Both judges agree.
            assert_eq!(compared.is_empty(), differences.is_empty(), "{compared:?}");
            Some(differences)
        }
        (a, b) => Some(vec![format!("{b:?}, expected {a:?}")]),
    }
}

fn copy_root(from: &Path, to: &Path) {
    let meta = fs::metadata(from).unwrap();
    fs::set_permissions(to, meta.permissions()).unwrap();
    touch(to, 10, 10);
}

#[test]
fn whiteouts_and_opaque_directories_are_those_of_the_kernel() {
    let table: &[&[Item]] = &[
        &[Item::file(".wh.a", ""), Item::file(".wh.d", "")],
        &[Item::dir("d"), Item::file("d/.wh.a", ""), Item::file("d/.wh.s", "")],
        &[Item::dir("d"), Item::file("d/.wh..wh..opq", ""), Item::file("d/new", "1")],
        // The marker last, and a whiteout of what the archive itself has.
        &[
            Item::dir("d"),
            Item::file("d/a", "1"),
            Item::file("d/.wh.b", ""),
            Item::file("d/.wh..wh..opq", ""),
        ],
        &[Item::dir("d"), Item::file("d/new", "1"), Item::file(".wh.d", "")],
        &[Item::file(".wh.d", ""), Item::dir("d"), Item::file("d/new", "1")],
        &[Item::file(".wh.d", ""), Item::file("d/new/deep", "1")],
        &[Item::file("d", "1"), Item::dir("d"), Item::file("d/new", "1")],
        &[Item::dir("d"), Item::file("d/new", "1"), Item::symlink("d", "e")],
        &[Item::file("a", "1"), Item::file(".wh.a", "")],
        &[Item::file(".wh.a", ""), Item::file(".wh.a", ""), Item::file("a", "2")],
        &[Item::dir("l"), Item::file("l/x", "1")],
        &[Item::dir("usr"), Item::dir("usr/bin"), Item::file("usr/bin/.wh.sh", "")],
        &[
            Item::dir("d"),
            Item::dir("d/s").mode(0o700),
            Item::file("d/s/.wh.t", ""),
            Item::link("h", "d/s/z"),
        ],
        &[
            Item::dir("d"),
            Item::file("d/z", "1"),
            Item::link("d/y", "d/z"),
            Item::dir("./").mode(0o700),
        ],
        &[Item::file(".wh.nothing", ""), Item::dir("e"), Item::file("e/.wh.no", "")],
    ];
    for (format, options) in FORMATS {
        let mut compared = 0;
        for items in table {
            let names: Vec<_> = items.iter().map(|i| String::from_utf8_lossy(&i.path)).collect();
            if let Some(differences) = compare(items, format, options) {
                assert!(
                    differences.is_empty(),
                    "{format:?} {names:?}:\n{}",
                    differences.join("\n")
                );
                compared += 1;
            }
        }
        assert_eq!(compared, table.len() - 1, "only the link to nothing needs its parent");
    }
}

#[test]
fn what_depends_on_what_is_beneath_needs_its_parent() {
    let table: &[&[Item]] = &[
        &[Item::link("h", "a")],
        &[Item::dir("d"), Item::link("h", "d/a")],
        &[Item::file("d/new", "")],
        &[Item::file("bin/new", "")],
        &[Item::dir("new/dir")],
        &[Item::file("d/.wh.a", "")],
        &[Item::file("d/.wh..wh..opq", "")],
        &[Item::file(".wh..wh..opq", "")],
        &[Item::symlink("m", "e"), Item::file("m/x", "")],
        &[Item::symlink("m", "e"), Item::file("m/.wh.a", "")],
    ];
    for items in table {
        let room = Room::new();
        let form = Form::Upper { format: OverlayFormat::KERNEL, beneath: Beneath::Unknown };
        let result = apply_as(form, &room.root(), &archive(items));
        let report = refused(result, ErrorKind::NeedsParent);
        assert!(
            report.contains(&*String::from_utf8_lossy(&items.last().unwrap().path)),
            "{report}"
        );
    }
}

#[test]
fn over_nothing_no_mark_is_left() {
    let room = Room::new();
    let form = Form::Upper { format: OverlayFormat::KERNEL, beneath: Beneath::Nothing };
    let items = [
        Item::file(".wh.a", ""),
        Item::file("d/e/.wh..wh..opq", ""),
        Item::file("d/x", "1"),
        Item::file(".wh.d", ""),
        Item::file(".wh..wh..opq", ""),
    ];
    let outcome = apply_as(form, &room.root(), &archive(&items)).unwrap();
    assert_eq!(outcome.applied.whiteouts, 4);
    let whole = Room::new();
    apply(&whole.root(), &archive(&items)).unwrap();
    assert_same("the tree", &snapshot(&whole.root()), &snapshot(&room.root()));
    assert_eq!(snapshot(&room.root()).len(), 3);
    let report = refused(
        apply_as(form, &room.root(), &archive(&[Item::link("h", "a")])),
        ErrorKind::BadDiff,
    );
    assert!(report.contains("isn't there"), "{report}");
}

const NAMES: [&str; 6] = ["a", "b", "d", "s", "l", "new"];

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&NAMES[..]), 1..4).prop_map(|names| names.join("/"))
}

fn item() -> impl Strategy<Value = Item> {
    let mark = |path: &str| match path.rsplit_once('/') {
        Some((dir, name)) => format!("{dir}/.wh.{name}"),
        None => format!(".wh.{path}"),
    };
    prop_oneof![
        4 => (path(), 0_u32..3).prop_map(|(path, n)| Item::dir(path).mode(0o700 + n).mtime(3, n)),
        3 => (path(), 0_u8..5).prop_map(|(path, n)| Item::file(path, vec![n; n.into()])),
        2 => path().prop_map(move |path| Item::file(mark(&path), "")),
        1 => path().prop_map(|path| Item::file(format!("{path}/.wh..wh..opq"), "")),
        1 => (path(), path()).prop_map(|(path, to)| Item::link(path, to)),
        1 => (path(), path()).prop_map(|(path, to)| Item::symlink(path, to)),
        1 => (path(), path()).prop_map(|(path, to)| Item::symlink(path, format!("/{to}/.."))),
    ]
}

/// Puts an entry for each parent before the first entry beneath it, as engines
/// write them: without, nearly all archives would need their parent.
fn with_parents(items: Vec<Item>) -> Vec<Item> {
    let mut named = std::collections::BTreeSet::new();
    let mut out = Vec::new();
    for item in items {
        let path = String::from_utf8(item.path.clone()).unwrap();
        for (at, _) in path.match_indices('/') {
            let dir = path.split_at(at).0;
            if named.insert(dir.to_owned()) {
                out.push(Item::dir(dir).mtime(4, 4));
            }
        }
        named.insert(path);
        out.push(item);
    }
    out
}

/// How many random archives; SAPWOOD_CASES asks for more.
fn cases() -> u32 {
    std::env::var("SAPWOOD_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

/// Random archives in any order, with everything that could go wrong.
#[test]
fn random_archives_give_the_same_tree_either_way() {
    let (mut compared, mut needs) = (0, 0);
    let config = ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let archives = prop::collection::vec(item(), 1..12);
    let archives = (archives, prop::bool::weighted(0.9))
        .prop_map(|(items, named)| if named { with_parents(items) } else { items });
    let counted = std::cell::RefCell::new((&mut compared, &mut needs));
    runner
        .run(&archives, |items| {
            let mut counted = counted.borrow_mut();
            match compare(&items, OverlayFormat::KERNEL, "") {
                Some(differences) => {
                    *counted.0 += 1;
                    let names: Vec<_> = items
                        .iter()
                        .map(|i| (i.flag as char, String::from_utf8_lossy(&i.path)))
                        .collect();
                    prop_assert!(differences.is_empty(), "{names:?}:\n{}", differences.join("\n"));
                }
                None => *counted.1 += 1,
            }
            Ok(())
        })
        .unwrap();
    assert!(compared > cases() / 4, "{compared} compared, {needs} need their parent");
}
