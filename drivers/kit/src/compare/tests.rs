#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, PermissionsExt, lchown, symlink};

use rustix::fs::{CWD, Mode, OFlags};

use super::*;
use crate::at::xattr::{self, Target};
use crate::at::{Device, Kind, Time, mknod, set_times_at};

const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn open(path: &Path) -> OwnedFd {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
}

fn node(path: &Path, kind: Kind, minor: u32) {
    mknod(CWD.as_fd(), path.as_os_str(), kind, 0o600, Device { major: 1, minor }).unwrap();
}

fn set(path: &Path, name: &str, value: &[u8]) {
    let dir = open(path.parent().unwrap());
    let target = Target::Entry(dir.as_fd(), path.file_name().unwrap());
    xattr::set(target, OsStr::new(name), value).unwrap();
}

fn unset(path: &Path, name: &str) {
    let dir = open(path.parent().unwrap());
    let target = Target::Entry(dir.as_fd(), path.file_name().unwrap());
    xattr::remove(target, OsStr::new(name)).unwrap();
}

fn touch(path: &Path, nsec: u32) {
    let time = Time { sec: 10, nsec };
    set_times_at(CWD.as_fd(), path.as_os_str(), time, time).unwrap();
}

fn every_path(root: &Path) -> Vec<PathBuf> {
    let (mut all, mut rest) = (vec![root.to_owned()], vec![root.to_owned()]);
    while let Some(dir) = rest.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                rest.push(entry.path());
            }
            all.push(entry.path());
        }
    }
    all
}

fn settle(root: &Path) {
    every_path(root).iter().for_each(|path| touch(path, 0));
}

/// One of everything.
fn make(root: &Path) {
    fs::create_dir_all(root.join("dir/sub")).unwrap();
    for name in ["file", "cap", "one", "alone", "dir/a", "dir/sub/b", "empty"] {
        fs::write(root.join(name), if name == "empty" { "" } else { "content" }).unwrap();
    }
    fs::hard_link(root.join("one"), root.join("other")).unwrap();
    fs::hard_link(root.join("one"), root.join("dir/third")).unwrap();
    symlink("file", root.join("link")).unwrap();
    node(&root.join("null"), Kind::CharDevice, 3);
    node(&root.join("fifo"), Kind::Fifo, 0);
    set(&root.join("file"), "user.kept", b"value");
    set(&root.join("cap"), "security.capability", CAPABILITY);
    settle(root);
}

fn told(room: &Path, known: &dyn Fn(FileId) -> bool) -> Vec<String> {
    let (expected, found) = (room.join("expected"), room.join("found"));
    let mut paths: Vec<PathBuf> = [&expected, &found]
        .into_iter()
        .flat_map(|root| {
            let relative = |path: PathBuf| match path.strip_prefix(root).unwrap() {
                path if path.as_os_str().is_empty() => PathBuf::from("."),
                path => path.to_owned(),
            };
            every_path(root).into_iter().map(relative).collect::<Vec<_>>()
        })
        .collect();
    paths.sort();
    paths.dedup();
    let (expected, found) = (open(&expected), open(&found));
    let trees = Compare { expected: expected.as_fd(), found: found.as_fd(), known };
    let (mut whole, mut at) = (Vec::new(), Vec::new());
    trees.whole(&mut |difference| whole.push(difference.to_string())).unwrap();
    let paths = paths.iter().map(PathBuf::as_path);
    trees.at(paths, &mut |difference| at.push(difference.to_string())).unwrap();
    assert_eq!(whole, at);
    whole
}

fn after(damage: &dyn Fn(&Path)) -> Vec<String> {
    let room = tempfile::tempdir().unwrap();
    for name in ["expected", "found"] {
        make(&room.path().join(name));
    }
    let found = room.path().join("found");
    damage(&found);
    told(room.path(), &|_| false)
}

/// Does it, and then sets all times back.
fn settled(damage: &dyn Fn(&Path)) -> Vec<String> {
    after(&|root| {
        damage(root);
        settle(root);
    })
}

fn again(path: &Path, content: &str) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn equal_trees_are_equal() {
    assert!(after(&|_| ()).is_empty());
}

type Case<'a> = (&'a [&'a str], &'a dyn Fn(&Path));

#[test]
fn each_difference_is_told_and_nothing_else() {
    let cases: &[Case<'_>] = &[
        (&[r#""file": it has mode 0666, not 0644"#], &|root| {
            fs::set_permissions(root.join("file"), fs::Permissions::from_mode(0o666)).unwrap();
        }),
        (&[r#""dir": it has mode 1755, not 0755"#], &|root| {
            fs::set_permissions(root.join("dir"), fs::Permissions::from_mode(0o1755)).unwrap();
        }),
        (&[r#"".": it has mode 0700, not 0755"#], &|root| {
            fs::set_permissions(root, fs::Permissions::from_mode(0o700)).unwrap();
        }),
        (&[r#""link": it belongs to 7:8, not 0:0"#], &|root| {
            lchown(root.join("link"), Some(7), Some(8)).unwrap();
        }),
        (&[r#""file": it lacks the attribute "user.kept""#], &|root| {
            unset(&root.join("file"), "user.kept");
        }),
        (&[r#""file": its attribute "user.kept" has another value"#], &|root| {
            set(&root.join("file"), "user.kept", b"other");
        }),
        (&[r#""dir": it has an attribute "user.new" that isn't its own"#], &|root| {
            set(&root.join("dir"), "user.new", b"");
        }),
        (&[r#""cap": it lacks the attribute "security.capability""#], &|root| {
            unset(&root.join("cap"), "security.capability");
        }),
        // A note of an overlay to itself is no part of the tree.
        (&[], &|root| set(&root.join("dir"), "trusted.overlay.origin", b"")),
        (&[r#""link": it leads to "alone", not "file""#], &|root| {
            fs::remove_file(root.join("link")).unwrap();
            symlink("alone", root.join("link")).unwrap();
        }),
        (&[r#""null": it is device 1:5, not 1:3"#], &|root| {
            fs::remove_file(root.join("null")).unwrap();
            node(&root.join("null"), Kind::CharDevice, 5);
        }),
        (&[r#""null": it is a block device, not a character device"#], &|root| {
            fs::remove_file(root.join("null")).unwrap();
            node(&root.join("null"), Kind::BlockDevice, 3);
        }),
        (&[r#""file": it has 3 bytes, not 7"#], &|root| {
            fs::File::options().write(true).open(root.join("file")).unwrap().set_len(3).unwrap();
        }),
        (&[r#""dir/sub/b": it has other bytes"#], &|root| {
            fs::write(root.join("dir/sub/b"), "cOntent").unwrap();
        }),
        (&[r#""dir/new": a directory that doesn't belong there"#], &|root| {
            fs::create_dir_all(root.join("dir/new/deep")).unwrap();
        }),
        (&[r#""empty": a file is gone"#], &|root| fs::remove_file(root.join("empty")).unwrap()),
        (&[r#""dir/sub": a directory is gone"#], &|root| {
            fs::remove_dir_all(root.join("dir/sub")).unwrap();
        }),
        (&[r#""dir/sub": it is a symbolic link, not a directory"#], &|root| {
            fs::remove_dir_all(root.join("dir/sub")).unwrap();
            symlink("../dir", root.join("dir/sub")).unwrap();
        }),
        (&[r#""fifo": it is a directory, not a FIFO"#], &|root| {
            fs::remove_file(root.join("fifo")).unwrap();
            fs::create_dir_all(root.join("fifo/x")).unwrap();
        }),
        (&[r#""one": it isn't the same file as "dir/third" any more"#], &|root| {
            again(&root.join("one"), "content");
        }),
        (&[r#""dir/a": it is the same file as "alone", and shouldn't be"#], &|root| {
            fs::remove_file(root.join("dir/a")).unwrap();
            fs::hard_link(root.join("alone"), root.join("dir/a")).unwrap();
        }),
    ];
    for (expected, damage) in cases {
        assert_eq!(settled(damage), **expected);
    }
}

#[test]
fn several_things_are_told_at_once() {
    let found = after(&|root| {
        fs::set_permissions(root.join("file"), fs::Permissions::from_mode(0o600)).unwrap();
        touch(&root.join("file"), 1);
    });
    let times = "it has modification time 10.000000001, not 10.000000000";
    assert_eq!(found, [format!("\"file\": it has mode 0600, not 0644, {times}")]);
}

/// Its bytes may be known under the other name.
#[test]
fn of_a_name_that_came_off_nothing_is_said_about_bytes() {
    let found = settled(&|root| again(&root.join("other"), "cOntent"));
    assert_eq!(found, [r#""other": it isn't the same file as "dir/third" any more"#]);
}

/// What somebody has verified already isn't read: neither tree's bytes count.
#[test]
fn known_files_are_not_read() {
    let room = tempfile::tempdir().unwrap();
    for name in ["expected", "found"] {
        make(&room.path().join(name));
    }
    let file = room.path().join("expected/dir/a");
    fs::File::options().write(true).open(&file).unwrap().write_all_at(&[0; 7], 0).unwrap();
    touch(&file, 0);
    assert_eq!(told(room.path(), &|_| false), ["\"dir/a\": it has other bytes"]);
    assert!(told(room.path(), &|_| true).is_empty());
}
