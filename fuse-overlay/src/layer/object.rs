//! One file of a layer, wherever a system call wants it: beneath a directory
//! that is open, or open itself.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::fs::{
    self, AtFlags, CWD, Mode, OFlags, Timestamps, XattrFlags, chmodat, chownat, openat, utimensat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use super::{Kind, Stat};
use crate::Result;

/// A file that is there. What it is called is never followed if it is a
/// symbolic link.
#[derive(Debug, Clone)]
pub(crate) enum Object {
    /// By its name in a directory.
    At(Arc<OwnedFd>, Arc<OsStr>),
    /// By a descriptor, which may be for its path only.
    Open(Arc<OwnedFd>),
}

impl Object {
    pub(crate) fn stat(&self) -> Result<Stat> {
        match self {
            Self::At(dir, name) => Stat::at(dir, name),
            Self::Open(fd) => Stat::of(fd),
        }
    }

    /// Opens it. Never creates, never follows.
    pub(crate) fn open(&self, flags: OFlags) -> Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        match self {
            Self::At(dir, name) => openat(dir, &**name, flags | OFlags::NOFOLLOW, Mode::empty()),
            Self::Open(_) => openat(CWD, self.path().0, flags, Mode::empty()),
        }
    }

    /// Only its path, to hold on to it whatever it is called.
    pub(crate) fn pin(&self) -> Result<Arc<OwnedFd>> {
        match self {
            Self::At(..) => self.open(OFlags::PATH).map(Arc::new),
            Self::Open(fd) => Ok(fd.clone()),
        }
    }

    pub(crate) fn read_link(&self) -> Result<CString> {
        match self {
            Self::At(dir, name) => fs::readlinkat(dir, &**name, Vec::with_capacity(256)),
            Self::Open(fd) => fs::readlinkat(fd, c"", Vec::with_capacity(256)),
        }
    }

    /// A path for calls that want one, and whether it is to be followed: the
    /// kernel's link to a descriptor leads to the file itself, and what stands
    /// behind a directory's is a name in it.
    fn path(&self) -> (CString, AtFlags) {
        let to = |fd: BorrowedFd<'_>| format!("/proc/self/fd/{}", fd.as_raw_fd()).into_bytes();
        let (bytes, flags) = match self {
            Self::At(dir, name) => {
                let mut path = to(dir.as_fd());
                path.push(b'/');
                path.extend_from_slice(name.as_bytes());
                (path, AtFlags::SYMLINK_NOFOLLOW)
            }
            Self::Open(fd) => (to(fd.as_fd()), AtFlags::empty()),
        };
        // A name of the kernel's has no zero byte; without one this is exact.
        (CString::new(bytes).unwrap_or_default(), flags)
    }

    /// Sets permissions. Not of symbolic links, which have none.
    pub(crate) fn chmod(&self, mode: u32) -> Result<()> {
        let mode = Mode::from_raw_mode(mode);
        match self {
            Self::At(dir, name) => chmodat(dir, &**name, mode, AtFlags::empty()),
            Self::Open(_) => chmodat(CWD, self.path().0, mode, AtFlags::empty()),
        }
    }

    pub(crate) fn chown(&self, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        let (path, flags) = self.path();
        chownat(CWD, path, uid.map(Uid::from_raw), gid.map(Gid::from_raw), flags)
    }

    pub(crate) fn set_times(&self, times: &Timestamps) -> Result<()> {
        let (path, flags) = self.path();
        utimensat(CWD, path, times, flags)
    }

    /// The value of an attribute; `None` if there is none of that name, or
    /// none at all on this file system.
    pub(crate) fn xattr(&self, name: &OsStr) -> Result<Option<Vec<u8>>> {
        let mut size = 256;
        loop {
            let mut value = Vec::with_capacity(size);
            let got = match self.path() {
                (path, AtFlags::SYMLINK_NOFOLLOW) => {
                    fs::lgetxattr(path, name, spare_capacity(&mut value))
                }
                (path, _) => fs::getxattr(path, name, spare_capacity(&mut value)),
            };
            match got {
                Ok(_) => return Ok(Some(value)),
                Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
                // 64 KiB is the most that Linux allows.
                Err(Errno::RANGE) if size < 1 << 16 => size = 1 << 16,
                Err(e) => return Err(e),
            }
        }
    }

    /// The names of its attributes, each with a zero byte behind it.
    pub(crate) fn xattrs(&self) -> Result<Vec<u8>> {
        let mut size = 256;
        loop {
            let mut names = Vec::with_capacity(size);
            let got = match self.path() {
                (path, AtFlags::SYMLINK_NOFOLLOW) => {
                    fs::llistxattr(path, spare_capacity(&mut names))
                }
                (path, _) => fs::listxattr(path, spare_capacity(&mut names)),
            };
            match got {
                Ok(_) => return Ok(names),
                Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
                Err(Errno::RANGE) if size < 1 << 16 => size = 1 << 16,
                Err(e) => return Err(e),
            }
        }
    }

    pub(crate) fn set_xattr(&self, name: &OsStr, value: &[u8], flags: XattrFlags) -> Result<()> {
        match self.path() {
            (path, AtFlags::SYMLINK_NOFOLLOW) => fs::lsetxattr(path, name, value, flags),
            (path, _) => fs::setxattr(path, name, value, flags),
        }
    }

    pub(crate) fn remove_xattr(&self, name: &OsStr) -> Result<()> {
        match self.path() {
            (path, AtFlags::SYMLINK_NOFOLLOW) => fs::lremovexattr(path, name),
            (path, _) => fs::removexattr(path, name),
        }
    }

    /// Whether it can be opened for reading and writing: everything else has
    /// no content of its own.
    pub(crate) fn has_content(kind: Kind) -> bool {
        kind == Kind::File
    }
}
