//! Does to a mounted tree what an operation says, by system calls on
//! descriptors.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    self, AtFlags, FallocateFlags, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags,
    Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use super::op::{Action, Fill};
use crate::tree::{NOT_TRIED, Rename, set_time};

/// Writes bytes at an offset of an open file through a shared mapping, and
/// flushes it: what safe code can't do.
pub type MapWrite = fn(BorrowedFd<'_>, u64, &[u8]) -> Result<(), Errno>;

/// Works in the tree whose root directory this is.
pub(super) struct Hands<'a> {
    pub(super) root: BorrowedFd<'a>,
    pub(super) map_write: Option<MapWrite>,
}

/// A name in an open directory; `.` for the root itself.
struct At<'a> {
    dir: OwnedFd,
    name: &'a OsStr,
}

impl Hands<'_> {
    /// Does it.
    pub(super) fn perform(&self, path: &Path, action: &Action) -> Result<(), Errno> {
        let at = self.at(path)?;
        match action {
            Action::Create(mode) => at.create(*mode),
            Action::Mkdir(mode) => {
                fs::mkdirat(&at.dir, at.name, Mode::RWXU)?;
                at.set_mode(*mode)
            }
            Action::Symlink(target) => fs::symlinkat(target, &at.dir, at.name),
            Action::CharDevice(major, minor) => {
                at.make(FileType::CharacterDevice, 0o600, fs::makedev(*major, *minor))
            }
            Action::BlockDevice(major, minor) => {
                at.make(FileType::BlockDevice, 0o600, fs::makedev(*major, *minor))
            }
            Action::Fifo(mode) => at.make(FileType::Fifo, *mode, 0),
            Action::Socket(mode) => at.make(FileType::Socket, *mode, 0),
            Action::Write(offset, fill) => {
                write(&at.open(OFlags::WRONLY)?, Some(*offset), &fill.bytes())
            }
            Action::Append(fill) => {
                write(&at.open(OFlags::WRONLY | OFlags::APPEND)?, None, &fill.bytes())
            }
            Action::Rewrite(fill) => {
                write(&at.open(OFlags::WRONLY | OFlags::TRUNC)?, None, &fill.bytes())
            }
            Action::MapWrite(offset, fill) => self.map_write(&at, *offset, *fill),
            Action::Truncate(len) => fs::ftruncate(at.open(OFlags::WRONLY)?, *len),
            Action::Punch(from, len) => at.punch(*from, *len),
            Action::Link(new) => {
                let to = self.at_existing(&at, new)?;
                fs::linkat(&at.dir, at.name, &to.dir, to.name, AtFlags::empty())
            }
            Action::Rename(new, how) => self.rename(&at, new, *how),
            Action::Unlink => fs::unlinkat(&at.dir, at.name, AtFlags::empty()),
            Action::Rmdir => fs::unlinkat(&at.dir, at.name, AtFlags::REMOVEDIR),
            Action::Chmod(mode) => at.chmod(*mode),
            Action::Chown(uid, gid) => {
                let (uid, gid) = (Uid::from_raw(*uid), Gid::from_raw(*gid));
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                fs::chownat(&at.dir, at.name, Some(uid), Some(gid), flags)
            }
            Action::SetTime(Some(time)) => set_time(at.dir.as_fd(), at.name, *time),
            Action::SetTime(None) => at.touch(),
            Action::SetXattr(name, value) => {
                let itself = at.open_path()?;
                fs::setxattr(proc_path(&itself), name, value, XattrFlags::empty())
            }
            Action::RemoveXattr(name) => {
                let itself = at.open_path()?;
                fs::removexattr(proc_path(&itself), name)
            }
        }
    }

    fn at<'a>(&self, path: &'a Path) -> Result<At<'a>, Errno> {
        let (above, name) = match (path.parent(), path.file_name()) {
            (Some(above), Some(name)) if above != Path::new("") => (above, name),
            (Some(_), Some(name)) => (Path::new("."), name),
            _ => (Path::new("."), OsStr::new(".")),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        Ok(At { dir: fs::openat2(self.root, above, flags, Mode::empty(), resolve)?, name })
    }

    /// Where a second name goes. That there is a file of the first is looked
    /// at before that, as system calls with two names do.
    fn at_existing<'a>(&self, first: &At<'_>, path: &'a Path) -> Result<At<'a>, Errno> {
        first.stat()?;
        self.at(path)
    }

    fn rename(&self, at: &At<'_>, new: &Path, how: Rename) -> Result<(), Errno> {
        let to = self.at(new)?;
        let flags = match how {
            Rename::Replace => RenameFlags::empty(),
            Rename::NoReplace => RenameFlags::NOREPLACE,
            Rename::Exchange => RenameFlags::EXCHANGE,
        };
        fs::renameat_with(&at.dir, at.name, &to.dir, to.name, flags)
    }

    fn map_write(&self, at: &At<'_>, offset: u64, fill: Fill) -> Result<(), Errno> {
        let map_write = self.map_write.ok_or(NOT_TRIED)?;
        let stat = at.stat()?;
        if !matches!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile) {
            // The same refusals as of any other open for writing.
            return at.open(OFlags::WRONLY).map(drop);
        }
        let end = offset + u64::from(fill.len);
        if u64::try_from(stat.st_size).is_ok_and(|len| end > len) {
            return Err(NOT_TRIED);
        }
        map_write(at.open(OFlags::RDWR)?.as_fd(), offset, &fill.bytes())
    }
}

impl At<'_> {
    fn create(&self, mode: u32) -> Result<(), Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = fs::openat(&self.dir, self.name, flags, Mode::RUSR)?;
        fs::fchmod(file, Mode::from_raw_mode(mode))
    }

    fn make(&self, file_type: FileType, mode: u32, device: u64) -> Result<(), Errno> {
        fs::mknodat(&self.dir, self.name, file_type, Mode::RUSR, device)?;
        self.set_mode(mode)
    }

    /// Sets the bits of what was just made: the umask is none of the history.
    fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        fs::chmodat(&self.dir, self.name, Mode::from_raw_mode(mode), AtFlags::empty())
    }

    fn stat(&self) -> Result<fs::Stat, Errno> {
        fs::statat(&self.dir, self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Opens for writing. Devices aren't opened: whose they are on this host
    /// is unknown.
    fn open(&self, flags: OFlags) -> Result<OwnedFd, Errno> {
        match FileType::from_raw_mode(self.stat()?.st_mode) {
            FileType::CharacterDevice | FileType::BlockDevice => Err(NOT_TRIED),
            _ => {
                let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                fs::openat(&self.dir, self.name, flags, Mode::empty())
            }
        }
    }

    fn open_path(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fs::openat(&self.dir, self.name, flags, Mode::empty())
    }

    fn punch(&self, from: u64, len: u64) -> Result<(), Errno> {
        let file = self.open(OFlags::WRONLY)?;
        match fs::fgetxattr(&file, "security.capability", &mut [0; 64]) {
            // File systems disagree on whether these then go.
            Ok(_) => return Err(NOT_TRIED),
            Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(e) => return Err(e),
        }
        fs::fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, from, len)
    }

    fn chmod(&self, mode: u32) -> Result<(), Errno> {
        let itself = self.open_path()?;
        // Older kernels change a link's bits where newer ones refuse to.
        if FileType::from_raw_mode(fs::fstat(&itself)?.st_mode) == FileType::Symlink {
            return Err(Errno::OPNOTSUPP);
        }
        fs::chmod(proc_path(&itself), Mode::from_raw_mode(mode))
    }

    fn touch(&self) -> Result<(), Errno> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
            last_modification: Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW },
        };
        fs::utimensat(&self.dir, self.name, &times, AtFlags::SYMLINK_NOFOLLOW)
    }
}

fn proc_path(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn write(file: &OwnedFd, mut offset: Option<u64>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = match &mut offset {
            Some(offset) => {
                let written = rustix::io::pwrite(file, bytes, *offset)?;
                *offset += written as u64;
                written
            }
            None => rustix::io::write(file, bytes)?,
        };
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}
