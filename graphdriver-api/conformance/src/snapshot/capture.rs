//! Reads a real tree into a snapshot, by descriptor.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;

use super::Snapshot;
use super::content::{Content, Digester};
use super::entry::{Entry, Kind, Timestamp, When};

/// How much of a file is read at once.
const CHUNK: usize = 256 * 1024;

impl Snapshot {
    /// Reads the tree whose root directory `root` is (any descriptor of it,
    /// `O_PATH` too).
    ///
    /// Every directory is read in the order of names, and every path below is
    /// reached from its parent's descriptor without following symbolic links.
    /// Extended attributes: all that listxattr(2) tells the caller, except
    /// those in which overlay file systems keep their books
    /// (`trusted.overlay.*`, `user.overlay.*`), and `security.selinux`, which
    /// a host's policy writes by itself.
    ///
    /// The tree should be at rest. Holds one descriptor a level of depth, and
    /// needs `/proc` for the attributes of symbolic links and special files.
    ///
    /// # Errors
    /// The first error met, with the path and what was being done.
    pub fn capture(root: BorrowedFd<'_>) -> io::Result<Self> {
        let mut walk = Walk::default();
        let dir = open(root, c".", OFlags::DIRECTORY).map_err(|e| at(Path::new("."), "open", e))?;
        walk.directory(&dir, Path::new("."))?;
        Ok(walk.finish())
    }
}

#[derive(Default)]
struct Walk {
    entries: BTreeMap<PathBuf, Entry>,
    /// The names of each file that has several, as met.
    names: HashMap<(u64, u64), Vec<PathBuf>>,
    buffer: Vec<u8>,
}

/// A directory on the way down, with the names that are still to be visited.
struct Level {
    dir: OwnedFd,
    path: PathBuf,
    rest: std::vec::IntoIter<std::ffi::CString>,
}

impl Walk {
    fn directory(&mut self, root: &OwnedFd, path: &Path) -> io::Result<()> {
        let top = root.try_clone()?;
        let mut stack = vec![self.enter(top, path.to_owned())?];
        while let Some(level) = stack.last_mut() {
            let Some(name) = level.rest.next() else {
                stack.pop();
                continue;
            };
            let path = join(&level.path, &name);
            if let Some(dir) = self.visit(level.dir.as_fd(), &name, &path)? {
                stack.push(self.enter(dir, path)?);
            }
        }
        Ok(())
    }

    /// Records an open directory and lists it.
    fn enter(&mut self, dir: OwnedFd, path: PathBuf) -> io::Result<Level> {
        let stat = fs::fstat(&dir).map_err(|e| at(&path, "stat", e))?;
        let xattrs = xattrs(Xattrs::Open(dir.as_fd())).map_err(|e| at(&path, "attributes", e))?;
        self.entries.insert(path.clone(), entry(&stat, Kind::Directory, xattrs));
        let names = names(&dir).map_err(|e| at(&path, "list", e))?;
        Ok(Level { dir, path, rest: names.into_iter() })
    }

    /// Records what `name` is, unless it's a directory: that is opened.
    fn visit(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        path: &Path,
    ) -> io::Result<Option<OwnedFd>> {
        let stat =
            fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| at(path, "stat", e))?;
        let (kind, xattrs) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                return open(dir, name, OFlags::DIRECTORY)
                    .map(Some)
                    .map_err(|e| at(path, "open", e));
            }
            FileType::RegularFile => self.file(dir, name, &stat),
            other => special(dir, name, other, &stat),
        }
        .map_err(|e| at(path, "read", e))?;
        self.entries.insert(path.to_owned(), entry(&stat, kind, xattrs));
        if stat.st_nlink > 1 {
            self.names.entry((stat.st_dev, stat.st_ino)).or_default().push(path.to_owned());
        }
        Ok(None)
    }

    fn file(&mut self, dir: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<Read, Errno> {
        let file = open(dir, name, OFlags::NONBLOCK)?;
        let len = u64::try_from(stat.st_size).unwrap_or(0);
        let content = content(file.as_fd(), len, &mut self.buffer)?;
        Ok((Kind::File(content), xattrs(Xattrs::Open(file.as_fd()))?))
    }

    fn finish(self) -> Snapshot {
        let mut links = BTreeMap::new();
        // The walk is sorted by bytes of names, which is path order, so the
        // first name met is the first one.
        for names in self.names.into_values() {
            if let Some((first, others)) = names.split_first() {
                links.extend(others.iter().map(|other| (other.clone(), first.clone())));
            }
        }
        Snapshot { entries: self.entries, links }
    }
}

type Read = (Kind, BTreeMap<OsString, Vec<u8>>);

fn special(
    dir: BorrowedFd<'_>,
    name: &CStr,
    file_type: FileType,
    stat: &Stat,
) -> Result<Read, Errno> {
    let (major, minor) = (fs::major(stat.st_rdev), fs::minor(stat.st_rdev));
    let kind = match file_type {
        FileType::Symlink => {
            Kind::Symlink(OsString::from_vec(fs::readlinkat(dir, name, Vec::new())?.into_bytes()))
        }
        FileType::CharacterDevice => Kind::CharDevice(major, minor),
        FileType::BlockDevice => Kind::BlockDevice(major, minor),
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        _ => return Err(Errno::NOTSUP),
    };
    let itself =
        fs::openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    Ok((kind, xattrs(Xattrs::Path(itself.as_fd()))?))
}

fn entry(stat: &Stat, kind: Kind, xattrs: BTreeMap<OsString, Vec<u8>>) -> Entry {
    let nlink = (!matches!(kind, Kind::Directory)).then_some(stat.st_nlink);
    let mtime = Timestamp {
        sec: stat.st_mtime,
        nsec: u32::try_from(stat.st_mtime_nsec).unwrap_or(u32::MAX),
    };
    Entry {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: When::At(mtime),
        xattrs,
        nlink,
    }
}

fn open(dir: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(dir, name, flags, Mode::empty())
}

fn names(dir: &OwnedFd) -> Result<Vec<std::ffi::CString>, Errno> {
    let mut names = Vec::new();
    for item in Dir::read_from(dir)? {
        let item = item?;
        if item.file_name() != c"." && item.file_name() != c".." {
            names.push(item.file_name().to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn content(file: BorrowedFd<'_>, len: u64, buffer: &mut Vec<u8>) -> Result<Content, Errno> {
    buffer.resize(CHUNK, 0);
    let mut digester = Digester::default();
    let mut offset = 0;
    while let Some((from, to)) = next_data(file, offset, len)? {
        offset = from;
        while offset < to {
            let want = usize::try_from(to - offset).map_or(CHUNK, |n| n.min(CHUNK));
            let room = buffer.get_mut(..want).unwrap_or_default();
            let got = rustix::io::pread(file, &mut *room, offset)?;
            if got == 0 {
                return Ok(digester.finish(offset));
            }
            digester.update(offset, room.get(..got).unwrap_or_default());
            offset += got as u64;
        }
    }
    Ok(digester.finish(len))
}

/// Where the next data lies at or behind `offset`; the whole rest where the
/// file system can't tell.
fn next_data(file: BorrowedFd<'_>, offset: u64, len: u64) -> Result<Option<(u64, u64)>, Errno> {
    if offset >= len {
        return Ok(None);
    }
    let from = match fs::seek(file, SeekFrom::Data(offset)) {
        Ok(from) => from,
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => return Ok(Some((offset, len))),
        Err(e) => return Err(e),
    };
    Ok(Some((from, fs::seek(file, SeekFrom::Hole(from))?.min(len))))
}

/// A file whose attributes are to be read.
#[derive(Clone, Copy)]
enum Xattrs<'a> {
    /// A descriptor opened for reading.
    Open(BorrowedFd<'a>),
    /// An `O_PATH` descriptor, which flistxattr(2) refuses.
    Path(BorrowedFd<'a>),
}

impl Xattrs<'_> {
    fn list(self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(fd) => fs::flistxattr(fd, buffer),
            Self::Path(fd) => fs::listxattr(proc_path(fd), buffer),
        }
    }

    fn get(self, name: &OsStr, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(fd) => fs::fgetxattr(fd, name, buffer),
            Self::Path(fd) => fs::getxattr(proc_path(fd), name, buffer),
        }
    }
}

/// The magic link leads to the very file, even if that is a symbolic link.
fn proc_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn xattrs(file: Xattrs<'_>) -> Result<BTreeMap<OsString, Vec<u8>>, Errno> {
    let list = match read_growing(|buffer| file.list(buffer)) {
        Err(Errno::NOTSUP) => Vec::new(),
        other => other?,
    };
    list.split(|byte| *byte == 0)
        .filter(|name| !name.is_empty() && !is_private(name))
        .map(|name| {
            let name = OsStr::from_bytes(name);
            Ok((name.to_owned(), read_growing(|buffer| file.get(name, buffer))?))
        })
        .collect()
}

fn is_private(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.")
        || name.starts_with(b"user.overlay.")
        || name == b"security.selinux"
}

/// Reads with a small buffer first, and asks for the size only if that is too
/// small.
fn read_growing(mut read: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match read(&mut buffer) {
            Ok(len) => {
                buffer.truncate(len);
                return Ok(buffer);
            }
            Err(Errno::RANGE) => buffer.resize(read(&mut [])?.max(buffer.len() + 1), 0),
            Err(e) => return Err(e),
        }
    }
}

fn join(dir: &Path, name: &CStr) -> PathBuf {
    let name = OsStr::from_bytes(name.to_bytes());
    if dir == Path::new(".") { PathBuf::from(name) } else { dir.join(name) }
}

fn at(path: &Path, doing: &str, error: Errno) -> io::Error {
    let error = io::Error::from(error);
    io::Error::new(error.kind(), format!("{doing} {path:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, XattrFlags};
    use std::os::unix::fs::{FileExt, symlink};

    #[test]
    fn a_real_tree_is_read_completely() {
        let temp = tempfile::tempdir().unwrap();
        let t = temp.path();
        std::fs::create_dir(t.join("d")).unwrap();
        std::fs::write(t.join("d/file"), b"hello").unwrap();
        std::fs::hard_link(t.join("d/file"), t.join("a")).unwrap();
        symlink("nowhere\u{fffd}", t.join("d-link")).unwrap();
        fs::setxattr(t.join("a"), "user.x", b"1", XattrFlags::empty()).unwrap();
        fs::mknodat(CWD, t.join("fifo"), FileType::Fifo, Mode::from(0o600), 0).unwrap();
        let sparse = std::fs::File::create(t.join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        sparse.write_all_at(b"x", 1 << 39).unwrap();

        let root = open(CWD, c"/", OFlags::DIRECTORY).unwrap();
        let root = fs::openat(root, t, OFlags::PATH, Mode::empty()).unwrap();
        let actual = Snapshot::capture(root.as_fd()).unwrap();

        let mut big = Digester::default();
        big.update(1 << 39, b"x");
        let root_mode = actual.get(".").unwrap().mode;
        let expected = Snapshot::new()
            .with(".", Entry::directory().mode(root_mode))
            .with("d", Entry::directory())
            .with("d/file", Entry::file(b"hello").xattr("user.x", b"1"))
            .link("a", "d/file")
            .with("d-link", Entry::symlink("nowhere\u{fffd}"))
            .with("fifo", Entry::new(Kind::Fifo).mode(0o600))
            .with("sparse", Entry::new(Kind::File(big.finish(1 << 40))));
        assert_eq!(expected.differences(&actual), []);
        let order: Vec<_> = actual.iter().map(|(path, _)| path).collect();
        assert_eq!(order, [".", "a", "d", "d/file", "d-link", "fifo", "sparse"].map(Path::new));
    }

    #[test]
    fn a_tree_that_is_not_a_directory_is_an_error_that_says_so() {
        let file = tempfile::tempfile().unwrap();
        assert!(Snapshot::capture(file.as_fd()).is_err());
    }
}
