//! What a file is.

use std::ffi::OsStr;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, makedev, statx};

use crate::Result;

/// The type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Kind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    Character,
    Block,
}

/// What statx(2) tells, with numbers put together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stat {
    pub(crate) x: Statx,
    pub(crate) kind: Kind,
}

/// What of it is asked for.
const WANTED: StatxFlags = StatxFlags::BASIC_STATS;

impl Stat {
    /// Of `name` in `dir`, never of what a link leads to.
    pub(crate) fn at(dir: impl AsFd, name: &OsStr) -> Result<Self> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        Self::new(statx(dir, name, flags, WANTED)?)
    }

    /// Of what is open.
    pub(crate) fn of(fd: impl AsFd) -> Result<Self> {
        Self::new(statx(fd, c"", AtFlags::EMPTY_PATH, WANTED)?)
    }

    fn new(x: Statx) -> Result<Self> {
        let kind = match FileType::from_raw_mode(u32::from(x.stx_mode)) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::CharacterDevice => Kind::Character,
            FileType::BlockDevice => Kind::Block,
            FileType::Unknown => return Err(rustix::io::Errno::IO),
        };
        Ok(Self { x, kind })
    }

    /// The device that the file is on.
    pub(crate) fn dev(&self) -> u64 {
        makedev(self.x.stx_dev_major, self.x.stx_dev_minor)
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// A whiteout is a character device with the number 0:0.
    pub(crate) fn is_whiteout(&self) -> bool {
        self.kind == Kind::Character && self.x.stx_rdev_major == 0 && self.x.stx_rdev_minor == 0
    }

    /// Permissions, with the set-id and sticky bits.
    pub(crate) fn permissions(&self) -> u32 {
        u32::from(self.x.stx_mode) & 0o7777
    }
}
