//! Between a tree in memory and one on disk.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    self, AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use super::node::{Body, Ino, Mtime, Node};
use super::{Bytes, Tree};
use crate::snapshot::{Found, Meta, Timestamp, Visit, mtime, runs, walk};

impl Tree {
    /// Reads a real tree, content included, as [`Snapshot::capture`] does.
    ///
    /// # Errors
    /// The first error met, with the path.
    ///
    /// [`Snapshot::capture`]: crate::snapshot::Snapshot::capture
    pub fn read(root: BorrowedFd<'_>) -> io::Result<Self> {
        let mut reader = Reader { tree: Self::new(), known: HashMap::new(), buffer: Vec::new() };
        walk(root, &mut reader)?;
        Ok(reader.tree)
    }

    /// Makes this tree in the empty directory `root`, whose attributes it
    /// sets too. Times that aren't exact become now.
    ///
    /// # Errors
    /// The first error met, with the path.
    pub fn materialise(&self, root: BorrowedFd<'_>) -> io::Result<()> {
        let mut writer = Writer { tree: self, root, first_names: HashMap::new() };
        writer.directory(root, Path::new(""), Ino::ROOT)
    }
}

struct Reader {
    tree: Tree,
    /// Files with several names that have been read.
    known: HashMap<(u64, u64), Ino>,
    buffer: Vec<u8>,
}

impl Visit for Reader {
    fn visit(&mut self, path: &Path, meta: Meta, found: Found<'_>) -> Result<(), Errno> {
        let stat = meta.stat;
        let key = (stat.st_dev, stat.st_ino);
        let place = self.tree.split(path)?.map(|place| (place.dir, place.name));
        if let (Some((dir, name)), Some(ino)) = (place, self.known.get(&key)) {
            return self.tree.put_link(dir, name, *ino);
        }
        let several = !matches!(found, Found::Directory) && stat.st_nlink > 1;
        let body = self.body(found, u64::try_from(stat.st_size).unwrap_or(0))?;
        let mut node = Node::new(body, stat.st_mode & 0o7777, Mtime::at(mtime(&stat)));
        (node.uid, node.gid, node.xattrs) = (stat.st_uid, stat.st_gid, meta.xattrs);
        let Some((dir, name)) = place else {
            return self.tree.set_attributes(Ino::ROOT, &node);
        };
        let ino = self.tree.put(dir, name, node)?;
        if several {
            self.known.insert(key, ino);
        }
        Ok(())
    }
}

impl Reader {
    fn body(&mut self, found: Found<'_>, len: u64) -> Result<Body, Errno> {
        Ok(match found {
            Found::Directory => Body::Directory(BTreeMap::new()),
            Found::File(file) => {
                let mut bytes = Bytes::default();
                let len = runs(file, len, &mut self.buffer, |at, data| bytes.write(at, data))?;
                bytes.set_len(len);
                Body::File(bytes)
            }
            Found::Symlink(target) => Body::Symlink(target),
            Found::CharDevice(major, minor) => Body::CharDevice(major, minor),
            Found::BlockDevice(major, minor) => Body::BlockDevice(major, minor),
            Found::Fifo => Body::Fifo,
            Found::Socket => Body::Socket,
        })
    }
}

struct Writer<'a> {
    tree: &'a Tree,
    root: BorrowedFd<'a>,
    /// The first name of each file that has several.
    first_names: HashMap<Ino, PathBuf>,
}

impl Writer<'_> {
    fn directory(&mut self, dir: BorrowedFd<'_>, path: &Path, ino: Ino) -> io::Result<()> {
        for (name, child) in self.tree.children(ino) {
            let path = path.join(name);
            self.child(dir, name, &path, child)
                .map_err(|e| io::Error::new(e.kind(), format!("make {path:?}: {e}")))?;
        }
        match self.tree.node(ino) {
            Some(node) => Ok(attributes(dir, OsStr::new("."), node)?),
            None => Ok(()),
        }
    }

    fn child(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        path: &Path,
        ino: Ino,
    ) -> io::Result<()> {
        let Some(node) = self.tree.node(ino) else { return Ok(()) };
        if node.is_directory() {
            fs::mkdirat(dir, name, Mode::RWXU)?;
            let made = open(dir, name, OFlags::RDONLY | OFlags::DIRECTORY)?;
            return self.directory(made.as_fd(), path, ino);
        }
        if let Some(first) = self.first_names.get(&ino) {
            return Ok(fs::linkat(self.root, first, dir, name, AtFlags::empty())?);
        }
        if node.nlink > 1 {
            self.first_names.insert(ino, path.to_owned());
        }
        make(dir, name, &node.body)?;
        Ok(attributes(dir, name, node)?)
    }
}

fn open(dir: BorrowedFd<'_>, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    fs::openat(dir, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)
}

/// Makes anything but a directory.
fn make(dir: BorrowedFd<'_>, name: &OsStr, body: &Body) -> io::Result<()> {
    let (file_type, device) = match body {
        Body::Directory(_) => return Ok(()),
        Body::File(bytes) => {
            let file = open(dir, name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
            let file = std::fs::File::from(file);
            for (offset, data) in bytes.runs() {
                std::os::unix::fs::FileExt::write_all_at(&file, data, offset)?;
            }
            return file.set_len(bytes.len());
        }
        Body::Symlink(target) => return Ok(fs::symlinkat(target, dir, name)?),
        Body::CharDevice(major, minor) => (FileType::CharacterDevice, fs::makedev(*major, *minor)),
        Body::BlockDevice(major, minor) => (FileType::BlockDevice, fs::makedev(*major, *minor)),
        Body::Fifo => (FileType::Fifo, 0),
        Body::Socket => (FileType::Socket, 0),
    };
    Ok(fs::mknodat(dir, name, file_type, Mode::RUSR | Mode::WUSR, device)?)
}

/// Sets everything, in the order in which nothing undoes what came before:
/// chown clears setuid and capabilities, and each of them may set the time.
fn attributes(dir: BorrowedFd<'_>, name: &OsStr, node: &Node) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
    fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    let itself = open(dir, name, OFlags::PATH)?;
    let itself = format!("/proc/self/fd/{}", itself.as_raw_fd());
    if !matches!(node.body, Body::Symlink(_)) {
        fs::chmod(itself.as_str(), Mode::from_raw_mode(node.mode))?;
    }
    for (xattr, value) in &node.xattrs {
        fs::setxattr(itself.as_str(), xattr, value, XattrFlags::empty())?;
    }
    match node.mtime.exact {
        Some(time) => set_time(dir, name, time),
        None => Ok(()),
    }
}

/// Sets the modification time of the file itself, and no other.
pub(crate) fn set_time(dir: BorrowedFd<'_>, name: &OsStr, time: Timestamp) -> Result<(), Errno> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
        last_modification: Timespec { tv_sec: time.sec, tv_nsec: time.nsec.into() },
    };
    fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Snapshot;
    use rustix::fs::CWD;

    /// Every kind of file, and every attribute.
    fn everything() -> Tree {
        let mut tree = Tree::new();
        let p = Path::new;
        tree.make(p("d"), Body::Directory(BTreeMap::new()), 0o2750).unwrap();
        tree.make(p("d/f"), Body::File(Bytes::of(b"hello")), 0o4711).unwrap();
        tree.write(p("d/f"), 1 << 30, b"far").unwrap();
        tree.link(p("d/f"), p("a")).unwrap();
        tree.set_xattr(p("a"), OsStr::new("user.x"), b"\0\xff").unwrap();
        tree.make(p("s"), Body::Symlink("\u{fffd}/nowhere".into()), 0o777).unwrap();
        tree.set_xattr(p("s"), OsStr::new("trusted.x"), b"1").unwrap();
        tree.chown(p("s"), 7, 8).unwrap();
        tree.make(p("c"), Body::CharDevice(1, 3), 0o600).unwrap();
        tree.make(p("b"), Body::BlockDevice(7, 300), 0o600).unwrap();
        tree.make(p("fifo"), Body::Fifo, 0o622).unwrap();
        tree.make(p("socket"), Body::Socket, 0o777).unwrap();
        for (i, (path, _)) in tree.paths().into_iter().enumerate() {
            let time = Timestamp { sec: i64::try_from(i).unwrap() - 3, nsec: 123_456_789 };
            tree.set_mtime(&path, Some(time)).unwrap();
        }
        tree
    }

    #[test]
    fn what_is_written_to_disk_is_read_back() {
        let tree = everything();
        let temp = tempfile::tempdir().unwrap();
        let dir = fs::openat(CWD, temp.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
        tree.materialise(dir.as_fd()).unwrap();
        let expected = tree.exact_snapshot();
        assert_eq!(expected.differences(&Snapshot::capture(dir.as_fd()).unwrap()), []);
        let again = Tree::read(dir.as_fd()).unwrap().exact_snapshot();
        assert_eq!(expected.differences(&again), []);
        assert_eq!(expected.first_name(Path::new("d/f")), Path::new("a"));
    }
}
