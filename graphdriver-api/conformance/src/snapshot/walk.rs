//! Visits every path of a real tree, by descriptor and in path order.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawDir, SeekFrom, Stat};
use rustix::io::Errno;

/// How much of a file is read at once.
const CHUNK: usize = 256 * 1024;

/// Up to this size, a file's holes are read as zeros.
const SMALL: u64 = 8 * 1024;

/// What is known of a path, whatever its type.
pub(crate) struct Meta {
    /// As lstat(2) tells it.
    pub(crate) stat: Stat,
    /// All that are part of a snapshot.
    pub(crate) xattrs: BTreeMap<OsString, Vec<u8>>,
}

/// What a path turned out to be.
pub(crate) enum Found<'a> {
    /// A directory; what is in it follows.
    Directory,
    /// A regular file, open for reading.
    File(BorrowedFd<'a>),
    /// A symbolic link.
    Symlink(OsString),
    /// A character device, major and minor.
    CharDevice(u32, u32),
    /// A block device, major and minor.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// Takes what a walk meets.
pub(crate) trait Visit {
    /// Takes one path, the root (`.`) first.
    fn visit(&mut self, path: &Path, meta: Meta, found: Found<'_>) -> Result<(), Errno>;
}

/// Visits the tree whose root `root` is.
pub(crate) fn walk(root: BorrowedFd<'_>, visitor: &mut dyn Visit) -> io::Result<()> {
    let path = PathBuf::from(".");
    let top = open(root, c".", OFlags::DIRECTORY).map_err(|e| at(&path, "open", e))?;
    let stat = fs::fstat(&top).map_err(|e| at(&path, "stat", e))?;
    let mut stack = vec![enter((top, stat), path, visitor)?];
    while let Some(level) = stack.last_mut() {
        let Some(name) = level.rest.next() else {
            stack.pop();
            continue;
        };
        let path = join(&level.path, &name);
        if let Some((dir, stat)) = visit(level.dir.as_fd(), &name, &path, visitor)? {
            stack.push(enter((dir, stat), path, visitor)?);
        }
    }
    Ok(())
}

/// A directory on the way down, with the names that are still to be visited.
struct Level {
    dir: OwnedFd,
    path: PathBuf,
    rest: std::vec::IntoIter<CString>,
}

/// Visits an open directory and lists it.
fn enter(
    (dir, stat): (OwnedFd, Stat),
    path: PathBuf,
    visitor: &mut dyn Visit,
) -> io::Result<Level> {
    let xattrs = xattrs(Xattrs::Open(dir.as_fd())).map_err(|e| at(&path, "attributes", e))?;
    visitor
        .visit(&path, Meta { stat, xattrs }, Found::Directory)
        .map_err(|e| at(&path, "record", e))?;
    let names = names(&dir).map_err(|e| at(&path, "list", e))?;
    Ok(Level { dir, path, rest: names.into_iter() })
}

/// Visits `name`, unless it's a directory: that is opened.
fn visit(
    dir: BorrowedFd<'_>,
    name: &CStr,
    path: &Path,
    visitor: &mut dyn Visit,
) -> io::Result<Option<(OwnedFd, Stat)>> {
    let stat = fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| at(path, "stat", e))?;
    let done = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let opened = open(dir, name, OFlags::DIRECTORY).map_err(|e| at(path, "open", e));
            return opened.map(|dir| Some((dir, stat)));
        }
        FileType::RegularFile => file(dir, name, stat, path, visitor),
        other => special(dir, name, (other, stat), path, visitor),
    };
    done.map(|()| None).map_err(|e| at(path, "read", e))
}

fn file(
    dir: BorrowedFd<'_>,
    name: &CStr,
    stat: Stat,
    path: &Path,
    visitor: &mut dyn Visit,
) -> Result<(), Errno> {
    let file = open(dir, name, OFlags::NONBLOCK)?;
    let xattrs = xattrs(Xattrs::Open(file.as_fd()))?;
    visitor.visit(path, Meta { stat, xattrs }, Found::File(file.as_fd()))
}

fn special(
    dir: BorrowedFd<'_>,
    name: &CStr,
    (file_type, stat): (FileType, Stat),
    path: &Path,
    visitor: &mut dyn Visit,
) -> Result<(), Errno> {
    let (major, minor) = (fs::major(stat.st_rdev), fs::minor(stat.st_rdev));
    let found = match file_type {
        FileType::Symlink => {
            let target = fs::readlinkat(dir, name, Vec::new())?;
            Found::Symlink(OsString::from_vec(target.into_bytes()))
        }
        FileType::CharacterDevice => Found::CharDevice(major, minor),
        FileType::BlockDevice => Found::BlockDevice(major, minor),
        FileType::Fifo => Found::Fifo,
        FileType::Socket => Found::Socket,
        _ => return Err(Errno::NOTSUP),
    };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let itself = fs::openat(dir, name, flags, Mode::empty())?;
    let xattrs = xattrs(Xattrs::Path(itself.as_fd()))?;
    visitor.visit(path, Meta { stat, xattrs }, found)
}

fn open(dir: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(dir, name, flags, Mode::empty())
}

fn names(dir: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    let mut buffer = Vec::with_capacity(16 * 1024);
    let mut items = RawDir::new(dir, buffer.spare_capacity_mut());
    while let Some(item) = items.next() {
        let item = item?;
        if item.file_name() != c"." && item.file_name() != c".." {
            names.push(item.file_name().to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Hands over every run of data of a file, ascending; holes are left out
/// where the file system tells them. Returns the file's length.
pub(crate) fn runs(
    file: BorrowedFd<'_>,
    len: u64,
    buffer: &mut Vec<u8>,
    mut take: impl FnMut(u64, &[u8]),
) -> Result<u64, Errno> {
    buffer.resize(CHUNK, 0);
    let mut offset = 0;
    while let Some((from, to)) = next_data(file, offset, len)? {
        offset = from;
        while offset < to {
            let want = usize::try_from(to - offset).map_or(CHUNK, |n| n.min(CHUNK));
            let room = buffer.get_mut(..want).unwrap_or_default();
            let got = rustix::io::pread(file, &mut *room, offset)?;
            if got == 0 {
                return Ok(offset);
            }
            take(offset, room.get(..got).unwrap_or_default());
            offset += got as u64;
        }
    }
    Ok(len)
}

/// Where the next data lies at or behind `offset`; the whole rest where the
/// file system can't tell.
fn next_data(file: BorrowedFd<'_>, offset: u64, len: u64) -> Result<Option<(u64, u64)>, Errno> {
    if offset >= len {
        return Ok(None);
    }
    // Not worth asking.
    if len <= SMALL {
        return Ok(Some((offset, len)));
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
