//! What stat(2) tells of a file, in types that can't be mixed up.

use std::ffi::OsStr;
use std::os::fd::AsFd;

use rustix::fs::{self, AtFlags, FileType, Stat, Timespec};
use rustix::io::Result;

/// The type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
}

impl Kind {
    /// The type in the kernel's terms; `None` for one that Linux doesn't have.
    #[must_use]
    pub fn of(file_type: FileType) -> Option<Self> {
        match file_type {
            FileType::RegularFile => Some(Self::File),
            FileType::Directory => Some(Self::Directory),
            FileType::Symlink => Some(Self::Symlink),
            FileType::CharacterDevice => Some(Self::CharDevice),
            FileType::BlockDevice => Some(Self::BlockDevice),
            FileType::Fifo => Some(Self::Fifo),
            FileType::Socket => Some(Self::Socket),
            FileType::Unknown => None,
        }
    }
}

/// What tells one file from another on this host while it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// The file system.
    pub dev: u64,
    /// The inode.
    pub ino: u64,
}

/// The number of a device node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Nothing to add to the names.
pub struct Device {
    pub major: u32,
    pub minor: u32,
}

impl Device {
    /// Character device 0:0, which overlay file systems take for a whiteout.
    pub const ZERO: Self = Self { major: 0, minor: 0 };

    /// In the kernel's form; `None` if it doesn't fit there (12 bits of major
    /// and 20 bits of minor: a larger number would be cut in silence).
    #[must_use]
    pub fn raw(self) -> Option<u64> {
        let fits = self.major < 1 << 12 && self.minor < 1 << 20;
        fits.then(|| fs::makedev(self.major, self.minor))
    }
}

/// A moment: seconds since 1970, negative before it, and the nanoseconds after
/// that second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Whole seconds, rounded towards the past.
    pub sec: i64,
    /// Always less than 1,000,000,000.
    pub nsec: u32,
}

impl From<Time> for Timespec {
    fn from(time: Time) -> Self {
        Self { tv_sec: time.sec, tv_nsec: time.nsec.into() }
    }
}

/// What stat(2) tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// The type.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky (07777).
    pub mode: u32,
    /// The owner as seen through this mount.
    pub uid: u32,
    /// The group as seen through this mount.
    pub gid: u32,
    /// Bytes; of a symbolic link, those of its target.
    pub size: u64,
    /// Allocated, in units of 512 bytes.
    pub blocks: u64,
    /// How many names the file has.
    pub nlink: u64,
    /// The number of a device node; 0:0 for all else.
    pub device: Device,
    /// Which file it is.
    pub id: FileId,
    /// Last read, as far as the mount keeps it.
    pub atime: Time,
    /// Last change of content.
    pub mtime: Time,
    /// Last change of anything. Nobody can set it back.
    pub ctime: Time,
}

impl Meta {
    /// Of an open file (`O_PATH` too).
    ///
    /// # Errors
    /// As fstat(2).
    pub fn of(fd: impl AsFd) -> Result<Self> {
        fs::fstat(fd).and_then(|stat| Self::from_stat(&stat))
    }

    /// Of the file `name` in `dir`; symbolic links aren't followed.
    ///
    /// # Errors
    /// As fstatat(2); `NOENT` if it isn't there.
    pub fn at(dir: impl AsFd, name: &OsStr) -> Result<Self> {
        fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).and_then(|stat| Self::from_stat(&stat))
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind == Kind::Directory
    }

    // The casts undo differences between architectures: none loses a bit of
    // what the kernel reports.
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    fn from_stat(stat: &Stat) -> Result<Self> {
        let kind =
            Kind::of(FileType::from_raw_mode(stat.st_mode)).ok_or(rustix::io::Errno::INVAL)?;
        let rdev = stat.st_rdev as u64;
        Ok(Self {
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
            nlink: stat.st_nlink as u64,
            device: Device { major: fs::major(rdev), minor: fs::minor(rdev) },
            id: FileId { dev: stat.st_dev as u64, ino: stat.st_ino as u64 },
            atime: Time { sec: stat.st_atime as i64, nsec: stat.st_atime_nsec as u32 },
            mtime: Time { sec: stat.st_mtime as i64, nsec: stat.st_mtime_nsec as u32 },
            ctime: Time { sec: stat.st_ctime as i64, nsec: stat.st_ctime_nsec as u32 },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_number_that_would_be_cut_has_no_raw_form() {
        assert!(Device { major: 4095, minor: 1_048_575 }.raw().is_some());
        assert_eq!(Device { major: 4096, minor: 0 }.raw(), None);
        assert_eq!(Device { major: 0, minor: 1 << 20 }.raw(), None);
        assert_eq!(Device::ZERO.raw(), Some(0));
    }

    #[test]
    fn times_sort_with_those_before_1970_first() {
        let mut times =
            [(0, 1), (-1, 999_999_999), (-1, 0), (0, 0)].map(|(sec, nsec)| Time { sec, nsec });
        times.sort();
        assert_eq!(times.map(|t| (t.sec, t.nsec)), [(-1, 0), (-1, 999_999_999), (0, 0), (0, 1)]);
    }
}
