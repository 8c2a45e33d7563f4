//! A tree as text: one line a path, with all that an archive can hold of it.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use sapwood_kit::at::xattr::{self, Target};
use sapwood_kit::whiteout::is_content;

/// Lines by path, the root first.
pub(crate) type Tree = BTreeMap<PathBuf, String>;

/// Reads the tree at `root`. Not for trees that are being written to.
pub(crate) fn snapshot(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut first_names = HashMap::new();
    let mut rest = vec![PathBuf::from(".")];
    while let Some(path) = rest.pop() {
        let full = root.join(&path);
        let meta = fs::symlink_metadata(&full).unwrap();
        if meta.is_dir() {
            for entry in fs::read_dir(&full).unwrap() {
                let name = entry.unwrap().file_name();
                let dir = if path == Path::new(".") { Path::new("") } else { &path };
                rest.push(dir.join(name));
            }
        } else if meta.nlink() > 1 {
            let names: &mut Vec<PathBuf> = first_names.entry((meta.dev(), meta.ino())).or_default();
            names.push(path.clone());
        }
        tree.insert(path, line(&full, &meta));
    }
    for mut names in first_names.into_values() {
        names.sort();
        for name in &names {
            let line = tree.get_mut(name).unwrap();
            line.push_str(&format!(" one of {names:?}"));
        }
    }
    tree
}

fn line(path: &Path, meta: &fs::Metadata) -> String {
    let kind = meta.file_type();
    let what = if kind.is_dir() {
        "dir".to_owned()
    } else if kind.is_symlink() {
        format!("-> {:?}", fs::read_link(path).unwrap())
    } else if kind.is_char_device() || kind.is_block_device() {
        let rdev = meta.rdev();
        let kind = if kind.is_char_device() { "char" } else { "block" };
        format!("{kind} {}:{}", rustix::fs::major(rdev), rustix::fs::minor(rdev))
    } else if kind.is_fifo() {
        "fifo".to_owned()
    } else if kind.is_socket() {
        "socket".to_owned()
    } else {
        format!("file {} {:x}", meta.len(), hash(&fs::read(path).unwrap()))
    };
    let mode = if kind.is_symlink() { 0o777 } else { meta.mode() & 0o7777 };
    let time = format!("{}.{:09}", meta.mtime(), meta.mtime_nsec());
    let mut line = format!("{what} {mode:04o} {}:{} {time}", meta.uid(), meta.gid());
    for (name, value) in xattrs(path) {
        match value.get(..64) {
            None => line.push_str(&format!(" {name:?}={}", value.escape_ascii())),
            Some(_) => {
                line.push_str(&format!(" {name:?}={} bytes {:x}", value.len(), hash(&value)));
            }
        }
    }
    line
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn xattrs(path: &Path) -> xattr::Xattrs {
    let parent = super::open(path.parent().unwrap());
    let name = path.file_name().unwrap_or(OsStr::new("."));
    let parent = if path.ends_with(".") { super::open(path) } else { parent };
    let target = Target::Entry(std::os::fd::AsFd::as_fd(&parent), name);
    xattr::read(target, is_content).unwrap()
}

/// Sets the modification time, of a symbolic link itself.
pub(crate) fn touch(path: &Path, sec: i64, nsec: u32) {
    let time = Timespec { tv_sec: sec, tv_nsec: nsec.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// How two trees differ, in lines for a person; empty if they don't.
pub(crate) fn differences(expected: &Tree, found: &Tree) -> Vec<String> {
    let mut paths: Vec<_> = expected.keys().chain(found.keys()).collect();
    paths.sort();
    paths.dedup();
    let show = |tree: &Tree, path: &Path| tree.get(path).cloned().unwrap_or("nothing".into());
    let differ = paths.into_iter().filter(|path| expected.get(*path) != found.get(*path));
    differ
        .map(|path| {
            let name = path.as_os_str().as_bytes().escape_ascii();
            format!("{name}: {}, expected {}", show(found, path), show(expected, path))
        })
        .collect()
}

#[track_caller]
pub(crate) fn assert_same(what: &str, expected: &Tree, found: &Tree) {
    let differences = differences(expected, found);
    assert!(differences.is_empty(), "{what}:\n{}", differences.join("\n"));
}

/// As `cp -a`, with everything, of a small tree.
pub(crate) fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp")
        .args(["-a", "--no-target-directory", "--preserve=all"])
        .args([from, to])
        .status()
        .unwrap();
    assert!(status.success());
}
