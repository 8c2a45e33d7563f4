use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::process::Command;

use graphdriver_api::Limits;
use tempfile::TempDir;

use super::*;
use crate::archive::{Beneath, Form, apply};
use crate::at::{Time, set_times_at};

fn archive(old: Option<&Path>, new: &Path) -> (Vec<u8>, DiffSummary) {
    let old = old.map(|path| File::open(path).unwrap());
    let new = File::open(new).unwrap();
    let trees = Trees { old: old.as_ref().map(AsFd::as_fd), new: new.as_fd(), baseline: None };
    let mut bytes = Vec::new();
    let summary = write(Op::Diff, &trees, &mut bytes).unwrap();
    assert_eq!(summary.bytes, bytes.len() as u64);
    assert_eq!(bytes.len() % 512, 0);
    (bytes, summary)
}

fn xattr(path: &Path, name: &str, value: &[u8]) {
    let dir = File::open(path.parent().unwrap()).unwrap();
    let target = Target::Entry(dir.as_fd(), path.file_name().unwrap());
    xattr::set(target, OsStr::new(name), value).unwrap();
}

/// Everything that an archive can hold, with what makes it hard.
fn everything(root: &Path) {
    let long = "n".repeat(255);
    fs::create_dir_all(root.join("dir").join(&long)).unwrap();
    let deep = root.join("dir").join(&long).join("file");
    fs::write(&deep, "deep").unwrap();
    fs::write(root.join(OsStr::from_bytes(b"odd\xff\nname")), "x").unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::write(root.join("block"), vec![7; 512]).unwrap();
    fs::write(root.join("large"), vec![7; 300_001]).unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(5 << 20).unwrap();
    sparse.write_all_at(b"middle", 2 << 20).unwrap();
    symlink("s".repeat(200), root.join("link")).unwrap();
    fs::hard_link(&deep, root.join("other")).unwrap();
    fs::hard_link(root.join("link"), root.join("other-link")).unwrap();
    let at = File::open(root).unwrap();
    at::mknod(&at, OsStr::new("fifo"), Kind::Fifo, 0o640, crate::at::Device::ZERO).unwrap();
    let device = crate::at::Device { major: 4095, minor: 1_048_575 };
    at::mknod(&at, OsStr::new("char"), Kind::CharDevice, 0o600, device).unwrap();
    at::mknod(&at, OsStr::new("blk"), Kind::BlockDevice, 0o600, device).unwrap();
    lchown(root.join("large"), Some(4_000_000_000), Some(2_097_152)).unwrap();
    lchown(root.join("link"), Some(7), Some(8)).unwrap();
    fs::set_permissions(root.join("large"), fs::Permissions::from_mode(0o6755)).unwrap();
    fs::set_permissions(root.join("dir"), fs::Permissions::from_mode(0o1500)).unwrap();
    xattr(&root.join("empty"), "user.text", b"a=b\nc\0d");
    xattr(&root.join("empty"), "user.a=b", b"\xff");
    xattr(&root.join("dir"), "trusted.t", b"");
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    xattr(&root.join("block"), "security.capability", &capability);
    let times = [("empty", -5, 250), ("link", 1, 1), ("dir", 1 << 34, 999_999_999)];
    for (name, sec, nsec) in times {
        let time = Time { sec, nsec };
        set_times_at(&at, OsStr::new(name), time, time).unwrap();
    }
}

fn tree(make: impl FnOnce(&Path)) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    dir
}

/// An empty tree as the contract has it.
fn scratch() -> TempDir {
    let dir = tree(|path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap());
    at::set_times(File::open(dir.path()).unwrap(), Time::default(), Time::default()).unwrap();
    dir
}

fn differences(a: &Path, b: &Path) -> Vec<String> {
    let (a, b) = (File::open(a).unwrap(), File::open(b).unwrap());
    let trees = Trees { old: Some(a.as_fd()), new: b.as_fd(), baseline: None };
    let mut found = Vec::new();
    diff::find(Op::Diff, &trees, &mut |f| {
        found.push(format!("{:?} {:?}", f.kind, f.path));
        Ok(std::ops::ControlFlow::Continue(()))
    })
    .unwrap();
    found
}

fn apply_to(root: &Path, bytes: &[u8], form: Form) {
    let root = File::open(root).unwrap();
    apply(&root, &mut &*bytes, form, &Limits::default()).unwrap();
}

#[test]
fn an_applied_archive_gives_the_tree_again() {
    let full = tree(everything);
    let (bytes, _) = archive(None, full.path());
    let again = scratch();
    apply_to(again.path(), &bytes, Form::Merged);
    assert_eq!(differences(full.path(), again.path()), Vec::<String>::new());
    let other = fs::metadata(again.path().join("other")).unwrap();
    assert_eq!(other.nlink(), 2);
    let (second, _) = archive(None, again.path());
    assert!(bytes == second, "the same tree, the same bytes");
    let sparse = fs::metadata(again.path().join("sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 100_000, "what was a hole is one again");
}

/// What programs that unpack a layer by itself do with the directories above,
/// and with a link to what isn't in it, isn't what was meant.
#[test]
fn an_archive_stands_by_itself() {
    let old = tree(everything);
    let new = scratch();
    let (from, to) = (File::open(old.path()).unwrap(), File::open(new.path()).unwrap());
    crate::copy::copy_tree(Op::Prepare, from.as_fd(), to.as_fd(), None).unwrap();
    let deep = new.path().join("dir").join("n".repeat(255)).join("file");
    File::options().append(true).open(&deep).unwrap().write_all(b"+").unwrap();
    let (bytes, summary) = archive(Some(old.path()), new.path());
    let limits = Limits::default();
    let mut tar = &bytes[..];
    let mut reader = crate::archive::Reader::new(&mut tar, &limits);
    let mut paths = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        paths.push(String::from_utf8_lossy(&entry.path).replace(&"n".repeat(255), "n"));
    }
    // The last is another name of the file that has changed.
    assert_eq!(paths, ["./", "dir/", "dir/n/", "dir/n/file", "other"]);
    assert_eq!(summary.entries, 5);
    let alone = scratch();
    let format = crate::whiteout::OverlayFormat::KERNEL;
    apply_to(alone.path(), &bytes, Form::Upper { format, beneath: Beneath::Unknown });
}

#[test]
fn a_file_that_shrinks_is_no_file_of_zeros() {
    struct Shrink<'a>(&'a Path, usize);
    impl Write for Shrink<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += bytes.len();
            if self.1 > 3000 {
                File::options().write(true).open(self.0).unwrap().set_len(10).unwrap();
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let full = tree(|root| fs::write(root.join("f"), vec![1; 1 << 20]).unwrap());
    let root = File::open(full.path()).unwrap();
    let trees = Trees { old: None, new: root.as_fd(), baseline: None };
    let path = full.path().join("f");
    let error = write(Op::Diff, &trees, &mut Shrink(&path, 0)).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Busy, Some(Path::new("f"))));
}

#[test]
fn a_difference_applied_to_the_old_tree_gives_the_new() {
    let old = tree(everything);
    let new = scratch();
    let (from, to) = (File::open(old.path()).unwrap(), File::open(new.path()).unwrap());
    crate::copy::copy_tree(Op::Prepare, from.as_fd(), to.as_fd(), None).unwrap();
    let change = |root: &Path| {
        fs::remove_dir_all(root.join("dir")).unwrap();
        fs::remove_file(root.join("fifo")).unwrap();
        fs::create_dir(root.join("fifo")).unwrap();
        fs::write(root.join("fifo/in"), "x").unwrap();
        fs::hard_link(root.join("large"), root.join("a-first-name")).unwrap();
        fs::remove_file(root.join("empty")).unwrap();
    };
    change(new.path());
    let (bytes, summary) = archive(Some(old.path()), new.path());
    let plain = scratch();
    apply_to(plain.path(), &archive(None, old.path()).0, Form::Merged);
    apply_to(plain.path(), &bytes, Form::Merged);
    assert_eq!(differences(new.path(), plain.path()), Vec::<String>::new());
    assert!(summary.entries >= 6);
}

#[test]
fn gnu_tar_reads_it() {
    let full = tree(everything);
    let (bytes, summary) = archive(None, full.path());
    let out = scratch();
    let file = out.path().with_extension("tar");
    fs::write(&file, &bytes).unwrap();
    let done = Command::new("tar")
        .args(["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf"])
        .arg(&file)
        .arg("-C")
        .arg(out.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let listed = Command::new("tar").arg("-tf").arg(&file).output().unwrap();
    fs::remove_file(&file).unwrap();
    // A newline in a name is quoted, so lines are entries.
    assert_eq!(listed.stdout.iter().filter(|b| **b == b'\n').count() as u64, summary.entries);
    // GNU tar doesn't know libarchive's form of an attribute.
    let target = out.path().join("empty");
    let time = fs::metadata(&target).unwrap();
    xattr(&target, "user.a=b", b"\xff");
    let time = Time { sec: time.mtime(), nsec: u32::try_from(time.mtime_nsec()).unwrap() };
    set_times_at(File::open(out.path()).unwrap(), OsStr::new("empty"), time, time).unwrap();
    assert_eq!(differences(full.path(), out.path()), Vec::<String>::new());
}

#[test]
fn names_that_would_be_whiteouts_are_refused() {
    let full = tree(|root| fs::write(root.join(".wh.x"), "").unwrap());
    let root = File::open(full.path()).unwrap();
    let trees = Trees { old: None, new: root.as_fd(), baseline: None };
    let error = write(Op::Diff, &trees, &mut Vec::new()).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Unsupported, Some(Path::new(".wh.x"))));
}

#[test]
fn sockets_are_left_out() {
    let full = tree(|root| drop(std::os::unix::net::UnixListener::bind(root.join("s")).unwrap()));
    assert_eq!(archive(None, full.path()).1.entries, 1, "the root alone");
}

#[test]
fn a_failed_write_is_an_error() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.0.checked_sub(bytes.len()) {
                Some(left) => self.0 = left,
                None => return Err(io::ErrorKind::StorageFull.into()),
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let full = tree(everything);
    let root = File::open(full.path()).unwrap();
    let trees = Trees { old: None, new: root.as_fd(), baseline: None };
    let size = archive(None, full.path()).0.len();
    for room in [0, 511, 512, 5000, size / 2, size - 1] {
        let error = write(Op::Diff, &trees, &mut Full(room)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{room}");
    }
    write(Op::Diff, &trees, &mut Full(size)).unwrap();
}

#[test]
fn an_upper_directory_takes_it_too() {
    let full = tree(everything);
    let (bytes, _) = archive(None, full.path());
    let upper = scratch();
    let format = crate::whiteout::OverlayFormat::KERNEL;
    apply_to(upper.path(), &bytes, Form::Upper { format, beneath: Beneath::Nothing });
    assert_eq!(differences(full.path(), upper.path()), Vec::<String>::new());
}
