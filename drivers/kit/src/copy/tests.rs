//! Trees of all kinds of files, copied and compared.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, chown, symlink};
use std::path::{Path, PathBuf};

use graphdriver_api::ErrorKind;
use rustix::io::Errno;

use super::content::Ways;
use super::*;
use crate::at::xattr::{self, Target, Xattrs};
use crate::at::{self, Device, FileId, Handle, Kind, Meta, Names};
use crate::deep;
use crate::fault::{Failure, inject};

/// All that can be told of a file but for what no copy can have: inode numbers
/// and change times. Of a file with several names, the first is told.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    meta: (Kind, u32, u32, u32, Device, (Time, Time)),
    xattrs: Xattrs,
    content: Vec<u8>,
    holes: Vec<(u64, u64)>,
    first: PathBuf,
}

fn look(root: &OwnedFd) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut firsts: BTreeMap<FileId, PathBuf> = BTreeMap::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(path) = todo.pop() {
        let dir = deep::open_dir(root, &path).unwrap();
        let own = [OsString::from(".")].into_iter().filter(|_| path.as_os_str().is_empty());
        let names = Names::read(&dir).unwrap();
        for name in own.chain(names.iter().map(|n| n.name.to_owned())) {
            let (path, handle) = (path.join(&name), Handle::open(&dir, &name).unwrap());
            let meta = handle.meta;
            if meta.is_dir() && name != "." {
                todo.push(path.clone());
            }
            let first = firsts.entry(meta.id).or_insert_with(|| path.clone()).clone();
            seen.insert(path, see(&dir, &name, &handle, first));
        }
    }
    seen
}

fn see(dir: &OwnedFd, name: &OsStr, handle: &Handle, first: PathBuf) -> Seen {
    let meta = handle.meta;
    let (mut content, mut holes) = (Vec::new(), Vec::new());
    let mut times = (meta.atime, meta.mtime);
    match meta.kind {
        Kind::File => {
            let file = File::from(entry::open_source(dir.as_fd(), name).unwrap());
            content = vec![0; usize::try_from(meta.size).unwrap()];
            file.read_exact_at(&mut content, 0).unwrap();
            holes = data(&file, meta.size);
        }
        Kind::Symlink => {
            content = at::read_link(dir, name).unwrap().into_vec();
            // Which this reading changes.
            times.0 = Time::default();
        }
        _ => {}
    }
    Seen {
        meta: (meta.kind, meta.mode, meta.uid, meta.gid, meta.device, times),
        xattrs: xattr::read(Target::Path(handle.as_fd()), |_| true).unwrap(),
        content,
        holes,
        first,
    }
}

/// Where the file has data.
fn data(file: &File, size: u64) -> Vec<(u64, u64)> {
    let (mut at, mut found) = (0, Vec::new());
    while at < size {
        let Ok(start) = rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) else { break };
        at = rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(start)).unwrap();
        found.push((start, at));
    }
    found
}

fn opened(path: &Path) -> OwnedFd {
    File::open(path).unwrap().into()
}

/// One of everything that an image can hold.
fn zoo(root: &Path) {
    let file = |name: &str, bytes: &[u8]| std::fs::write(root.join(name), bytes).unwrap();
    std::fs::create_dir_all(root.join("dir/sub/empty")).unwrap();
    file("empty", b"");
    file("small", b"small");
    file("dir/large", &(0..1_000_003_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    file("setuid", b"#!");
    std::fs::write(root.join(OsStr::from_bytes(b"not-\xff-utf8\n")), b"x").unwrap();
    file(&"n".repeat(255), b"long");
    sparse(&root.join("dir/sparse"), &[(1 << 20, b"middle"), (5 << 20, b"end")], 5 << 20);
    sparse(&root.join("all-hole"), &[], 3 << 20);
    sparse(&root.join("tail"), &[(0, b"start")], 2 << 20);
    symlink("dir/large", root.join("link")).unwrap();
    symlink("/nowhere\u{e9}", root.join("dangling")).unwrap();
    std::fs::hard_link(root.join("small"), root.join("dir/sub/same")).unwrap();
    std::fs::hard_link(root.join("small"), root.join("same")).unwrap();
    let top = opened(root);
    at::mknod(&top, OsStr::new("fifo"), Kind::Fifo, 0o600, Device::ZERO).unwrap();
    at::mknod(&top, OsStr::new("socket"), Kind::Socket, 0o755, Device::ZERO).unwrap();
    at::mknod(&top, OsStr::new("null"), Kind::CharDevice, 0o666, Device { major: 1, minor: 3 })
        .unwrap();
    at::mknod(&top, OsStr::new("zero"), Kind::CharDevice, 0o600, Device::ZERO).unwrap();
    at::mknod(&top, OsStr::new("loop"), Kind::BlockDevice, 0o660, Device { major: 7, minor: 300 })
        .unwrap();
    std::fs::hard_link(root.join("fifo"), root.join("dir/fifo")).unwrap();
    std::fs::hard_link(root.join("dangling"), root.join("dir/dangling")).unwrap();
    attributes(root, &top);
}

fn sparse(path: &Path, pieces: &[(u64, &[u8])], size: u64) {
    let mut file = File::create(path).unwrap();
    for (at, bytes) in pieces {
        file.seek(SeekFrom::Start(*at)).unwrap();
        file.write_all(bytes).unwrap();
    }
    let written = file.metadata().unwrap().len();
    file.set_len(size.max(written)).unwrap();
}

fn attributes(root: &Path, top: &OwnedFd) {
    for (n, name) in (1_u32..).zip(["setuid", "dir", "dir/sub", "fifo", "null"]) {
        chown(root.join(name), Some(n * 1000), Some(4_000_000_000 - n)).unwrap();
    }
    at::chown_at(top, OsStr::new("link"), 7, 8).unwrap();
    let mode = |name: &str, mode| at::chmod(opened(&root.join(name)), mode, false).unwrap();
    mode("setuid", 0o6755);
    mode("dir", 0o1777);
    mode("dir/sub", 0o2500);
    mode("empty", 0);
    let set = |name: &str, attribute: &str, value: &[u8]| {
        let handle = Handle::open(top, OsStr::new(name)).unwrap();
        xattr::set(Target::Path(handle.as_fd()), OsStr::new(attribute), value).unwrap();
    };
    set("small", "user.a", b"1");
    set("small", "trusted.b", &[0; 3000]);
    set("dir", "user.empty", b"");
    set("link", "trusted.link", b"l");
    set("fifo", "trusted.fifo", b"f");
    set("setuid", "security.capability", CAPABILITY);
    set("small", "system.posix_acl_access", ACL);
    set("dir", "system.posix_acl_default", ACL);
    let time = |sec, nsec| Time { sec, nsec };
    for (n, name) in ["small", "link", "fifo", "null", "dir", "."].into_iter().enumerate() {
        let n = u32::try_from(n).unwrap();
        let times = (time(-1000, n), time(1_000_000_000 + i64::from(n), 999_999_999 - n));
        at::set_times_at(top, OsStr::new(name), times.0, times.1).unwrap();
    }
}

/// cap_net_raw=ep, in the kernel's second version.
const CAPABILITY: &[u8] = &[1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// user::rw-,user:5:r--,group::r--,mask::r--,other::---
const ACL: &[u8] = &[
    2, 0, 0, 0, //
    1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, //
    2, 0, 4, 0, 5, 0, 0, 0, //
    4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, //
    0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, //
    0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
];

struct Places(tempfile::TempDir, PathBuf, PathBuf);

fn places() -> Places {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    std::fs::create_dir(&from).unwrap();
    std::fs::create_dir(&to).unwrap();
    Places(dir, from, to)
}

fn threads(n: usize) -> Option<NonZeroUsize> {
    NonZeroUsize::new(n)
}

#[test]
fn a_copy_is_the_same_in_everything() {
    for n in [1, 4] {
        let Places(_dir, from, to) = places();
        zoo(&from);
        // What the copy's root has from where it was made isn't passed on.
        let inherited = opened(&to);
        xattr::set(Target::open(&inherited), OsStr::new("system.posix_acl_default"), ACL).unwrap();
        at::chmod(&inherited, 0o2777, false).unwrap();
        let before = look(&opened(&from));
        let (from, to) = (opened(&from), opened(&to));
        let copied = copy_tree(Op::Prepare, from.as_fd(), to.as_fd(), threads(n)).unwrap();
        let (source, copy) = (look(&from), look(&to));
        assert_eq!(copied.entries, before.len() as u64 - 1);
        assert!((1_000_000..1_200_000).contains(&copied.bytes), "{copied:?}");
        for (path, expected) in &before {
            assert_eq!(source.get(path), Some(expected), "the source's {path:?} has changed");
            assert_eq!(copy.get(path), Some(expected), "{path:?}");
        }
        assert_eq!(copy.len(), before.len());
        assert!(before[Path::new("dir/sparse")].holes.len() < 3, "the test's holes are none");
    }
}

#[test]
fn what_is_touched_later_isnt_earlier_than_the_baseline() {
    let Places(_dir, from, to) = places();
    for n in 0..300 {
        std::fs::write(from.join(n.to_string()), "x").unwrap();
    }
    let (from, into) = (opened(&from), opened(&to));
    let copied = copy_tree(Op::Prepare, from.as_fd(), into.as_fd(), None).unwrap();
    let changed = |n: usize| Meta::at(&into, OsStr::new(&n.to_string())).unwrap().ctime;
    for n in 0..300 {
        assert!(changed(n) <= copied.baseline);
    }
    for n in 0..300 {
        // Neither length nor modification time tells of this.
        let before = Meta::at(&into, OsStr::new(&n.to_string())).unwrap();
        std::fs::write(to.join(n.to_string()), "y").unwrap();
        at::set_times_at(&into, OsStr::new(&n.to_string()), before.atime, before.mtime).unwrap();
        assert!(changed(n) >= copied.baseline);
    }
}

#[test]
fn wide_and_deep_trees_need_few_descriptors() {
    let Places(_dir, from, to) = places();
    for n in 0..1500 {
        std::fs::create_dir(from.join(format!("w{n}"))).unwrap();
        std::fs::write(from.join(format!("w{n}/file")), "x").unwrap();
    }
    let (from, to) = (opened(&from), opened(&to));
    let mut current = deep::open_dir(&from, Path::new("w0")).unwrap();
    let name = OsString::from("d".repeat(200));
    for _ in 0..500 {
        rustix::fs::mkdirat(&current, &name, rustix::fs::Mode::RWXU).unwrap();
        current = at::open_dir(&current, &name).unwrap();
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let low = rustix::process::Rlimit { current: Some(64), ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, low).unwrap();
    let copied = copy_tree(Op::Prepare, from.as_fd(), to.as_fd(), threads(4)).unwrap();
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    assert_eq!(copied.entries, 1500 + 1500 + 500);
    assert_eq!(look(&from).len(), look(&to).len());
    at::remove_contents(&from).unwrap();
    at::remove_contents(&to).unwrap();
}

#[test]
fn every_way_of_copying_content_gives_the_same() {
    let Places(_dir, from, to) = places();
    zoo(&from);
    let (from, to) = (opened(&from), opened(&to));
    for path in ["dir/large", "dir/sparse", "all-hole", "tail", "small", "empty"] {
        let name = OsStr::new(path);
        let source = File::from(entry::open_source(from.as_fd(), name).unwrap());
        let meta = Meta::of(&source).unwrap();
        for (n, ways) in [Ways::new(), Ways::plain()].into_iter().enumerate() {
            let name = OsString::from(format!("{n}{}", path.replace('/', "-")));
            rustix::fs::openat(
                &to,
                &name,
                rustix::fs::OFlags::CREATE | rustix::fs::OFlags::RDWR,
                rustix::fs::Mode::RWXU,
            )
            .map(|made| {
                ways.copy(source.as_fd(), made.as_fd(), &meta).unwrap();
                let made = File::from(made);
                let mut bytes = [Vec::new(), Vec::new()];
                for (file, bytes) in [&source, &made].into_iter().zip(&mut bytes) {
                    bytes.resize(usize::try_from(file.metadata().unwrap().len()).unwrap(), 0);
                    file.read_exact_at(bytes, 0).unwrap();
                }
                assert!(bytes[0] == bytes[1], "{path} {n}");
                assert_eq!(data(&source, meta.size), data(&made, meta.size), "{path} {n}");
            })
            .unwrap();
        }
    }
}

#[test]
fn a_failure_names_the_file() {
    let Places(dir, from, to) = places();
    zoo(&from);
    let from = opened(&from);
    let counting = inject("copy.", 0, Failure::None);
    let one = threads(1);
    copy_tree(Op::Prepare, from.as_fd(), opened(&to).as_fd(), one).unwrap();
    let points = counting.passed().len();
    drop(counting);
    assert!(points > 40, "{points}");
    for nth in 1..=points {
        for (errno, kind) in [(Errno::IO, ErrorKind::Io), (Errno::NOSPC, ErrorKind::NoSpace)] {
            let to = dir.path().join(format!("{nth}-{kind:?}"));
            std::fs::create_dir(&to).unwrap();
            let injection = inject("copy.", nth, Failure::Errno(errno));
            let ended = copy_tree(Op::Prepare, from.as_fd(), opened(&to).as_fd(), one);
            drop(injection);
            let error = ended.unwrap_err();
            assert_eq!((error.kind(), error.op()), (kind, Op::Prepare), "{nth}");
            assert!(error.path().is_some(), "{nth}: {}", error.report());
        }
    }
    let into_one_with_things = copy_tree(Op::Prepare, from.as_fd(), opened(&to).as_fd(), None);
    assert_eq!(into_one_with_things.unwrap_err().kind(), ErrorKind::Io);
}

/// How fast it is beside cp(1): `cargo nextest run -p sapwood-kit --run-ignored
/// only --no-capture copying_is_measured`, with the tree in `SAPWOOD_COPY_FROM`
/// and a directory to copy into in `SAPWOOD_COPY_TO`.
#[test]
#[ignore = "measures"]
fn copying_is_measured() {
    let from = PathBuf::from(std::env::var_os("SAPWOOD_COPY_FROM").expect("SAPWOOD_COPY_FROM"));
    let place = PathBuf::from(std::env::var_os("SAPWOOD_COPY_TO").expect("SAPWOOD_COPY_TO"));
    let fresh = |name: &str| {
        let to = place.join(name);
        std::fs::create_dir(&to).unwrap();
        rustix::fs::syncfs(opened(&place)).unwrap();
        to
    };
    let remove = |name: &str| {
        at::remove_tree(opened(&place), OsStr::new(name)).unwrap();
    };
    for round in 0..5 {
        for n in [1, 2, 4] {
            let to = fresh("copy");
            let start = std::time::Instant::now();
            let (source, into) = (opened(&from), opened(&to));
            let copied = copy_tree(Op::Prepare, source.as_fd(), into.as_fd(), threads(n)).unwrap();
            println!("{round}: {n} threads {:?} {copied:?}", start.elapsed());
            remove("copy");
        }
        let to = fresh("cp");
        let start = std::time::Instant::now();
        let status = std::process::Command::new("cp")
            .args(["-a", "--reflink=auto"])
            .args([from.join("."), to])
            .status()
            .unwrap();
        assert!(status.success());
        println!("{round}: cp -a {:?}", start.elapsed());
        remove("cp");
    }
}
