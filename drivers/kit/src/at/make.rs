//! Making files other than regular ones, and setting attributes.

use std::ffi::OsStr;
use std::os::fd::AsFd;

use rustix::fs::{self, AtFlags, FileType, Gid, Mode, Timestamps, Uid};
use rustix::io::{Errno, Result};

use super::meta::{Device, Kind, Time};
use super::open::proc_path;

/// Makes a device node, FIFO or socket. The mode is subject to the umask, or
/// to a default ACL of the directory.
///
/// # Errors
/// `EXIST`; `PERM` without the privilege, and for 0:0 on a union; `INVAL` for
/// other types and for a device number that the kernel can't hold.
pub fn mknod(dir: impl AsFd, name: &OsStr, kind: Kind, mode: u32, device: Device) -> Result<()> {
    let file_type = match kind {
        Kind::CharDevice => FileType::CharacterDevice,
        Kind::BlockDevice => FileType::BlockDevice,
        Kind::Fifo => FileType::Fifo,
        Kind::Socket => FileType::Socket,
        Kind::File | Kind::Directory | Kind::Symlink => return Err(Errno::INVAL),
    };
    let number = device.raw().ok_or(Errno::INVAL)?;
    fs::mknodat(dir, name, file_type, Mode::from_raw_mode(mode), number)
}

/// Changes the owner of an open file, `O_PATH` too (a symbolic link itself).
/// Clears setuid, setgid and file capabilities.
///
/// # Errors
/// As fchownat(2); `INVAL` for an id that isn't mapped here, and for
/// `u32::MAX`, which would mean "leave as it is".
pub fn chown(fd: impl AsFd, uid: u32, gid: u32) -> Result<()> {
    let (uid, gid) = ids(uid, gid)?;
    fs::chownat(fd, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
}

/// As [`chown`], of `name` in `dir`; a symbolic link isn't followed.
///
/// # Errors
/// As [`chown`].
pub fn chown_at(dir: impl AsFd, name: &OsStr, uid: u32, gid: u32) -> Result<()> {
    let (uid, gid) = ids(uid, gid)?;
    fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}

fn ids(uid: u32, gid: u32) -> Result<(Uid, Gid)> {
    if uid == u32::MAX || gid == u32::MAX {
        return Err(Errno::INVAL);
    }
    Ok((Uid::from_raw(uid), Gid::from_raw(gid)))
}

/// Changes the mode of a file that is open, or known by an `O_PATH`
/// descriptor (`path_only`; fchmod(2) refuses those). Not for symbolic links,
/// whose mode means nothing.
///
/// # Errors
/// As chmod(2).
pub fn chmod(fd: impl AsFd, mode: u32, path_only: bool) -> Result<()> {
    let mode = Mode::from_raw_mode(mode);
    if path_only { fs::chmod(proc_path(fd.as_fd()), mode) } else { fs::fchmod(fd, mode) }
}

/// Sets the times of an open file, `O_PATH` too (a symbolic link itself).
///
/// A file system that can't hold a time stores the nearest that it can.
///
/// # Errors
/// As utimensat(2).
pub fn set_times(fd: impl AsFd, atime: Time, mtime: Time) -> Result<()> {
    let times = Timestamps { last_access: atime.into(), last_modification: mtime.into() };
    fs::utimensat(fd, "", &times, AtFlags::EMPTY_PATH)
}

/// As [`set_times`], of `name` in `dir`; a symbolic link isn't followed.
///
/// # Errors
/// As utimensat(2).
pub fn set_times_at(dir: impl AsFd, name: &OsStr, atime: Time, mtime: Time) -> Result<()> {
    let times = Timestamps { last_access: atime.into(), last_modification: mtime.into() };
    fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::OFlags;

    use super::*;
    use crate::at::{Handle, Meta};

    #[test]
    fn attributes_of_links_and_special_files_are_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let fd = fs::open(dir.path(), OFlags::RDONLY, Mode::empty()).unwrap();
        std::fs::write(dir.path().join("file"), b"").unwrap();
        symlink("file", dir.path().join("link")).unwrap();
        mknod(&fd, OsStr::new("fifo"), Kind::Fifo, 0o600, Device::ZERO).unwrap();
        let before = Meta::at(&fd, OsStr::new("file")).unwrap();
        let time = |sec| Time { sec, nsec: 123_456_789 };
        for name in ["link", "fifo"].map(OsStr::new) {
            let handle = Handle::open(&fd, name).unwrap();
            chown(&handle, before.uid, before.gid).unwrap();
            set_times(&handle, time(-5), time(7)).unwrap();
            let meta = Meta::at(&fd, name).unwrap();
            assert_eq!((meta.atime, meta.mtime), (time(-5), time(7)));
            set_times_at(&fd, name, time(1), time(-2)).unwrap();
            assert_eq!(Meta::at(&fd, name).unwrap().mtime, time(-2));
        }
        chmod(Handle::open(&fd, OsStr::new("fifo")).unwrap(), 0o4611, true).unwrap();
        assert_eq!(Meta::at(&fd, OsStr::new("fifo")).unwrap().mode, 0o4611);
        assert_eq!(Meta::at(&fd, OsStr::new("file")).unwrap(), before);
    }

    #[test]
    fn an_id_that_means_leave_it_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let fd = fs::open(dir.path(), OFlags::RDONLY, Mode::empty()).unwrap();
        assert_eq!(chown(&fd, u32::MAX, 0), Err(Errno::INVAL));
        assert_eq!(chown_at(&fd, OsStr::new("."), 0, u32::MAX), Err(Errno::INVAL));
    }
}
