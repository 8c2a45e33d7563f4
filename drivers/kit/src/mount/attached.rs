//! Mounts that stand somewhere: looking at them and taking them away.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, StatxAttributes, StatxFlags, openat, statx};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount as umount2};

use super::id::MountId;
use crate::fault;

/// Whether a mount stands on `name` in `dir`, as this mount namespace shows it.
///
/// # Errors
/// As statx(2), `NOENT` excepted: where there is nothing, nothing is mounted.
pub fn is_mounted(dir: impl AsFd, name: impl AsRef<Path>) -> io::Result<bool> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    match statx(dir, name.as_ref(), flags, StatxFlags::empty()) {
        Ok(found) if found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) => {
            Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
        }
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the kernel doesn't tell roots of mounts (that came with Linux 5.8)",
        )),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Opens the root of the mount that stands on `name` in `dir`, with its
/// identity; `None` if none does.
///
/// # Errors
/// As open(2) and [`MountId::of`].
pub fn mounted_root(
    dir: impl AsFd,
    name: impl AsRef<Path>,
) -> io::Result<Option<(OwnedFd, MountId)>> {
    if !is_mounted(&dir, name.as_ref())? {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = openat(dir, name.as_ref(), flags, Mode::empty())?;
    let id = MountId::of(&root)?;
    Ok(Some((root, id)))
}

/// Unmounts what stands on `name` in `dir`. Never lazily: after `Ok` nobody has
/// a file open through this mount.
///
/// # Errors
/// `BUSY` while somebody has; `INVAL` if nothing is mounted there.
pub fn unmount(dir: impl AsFd, name: impl AsRef<Path>) -> io::Result<()> {
    fault::point("mount.unmount")?;
    Ok(umount2(entry_path(dir.as_fd(), name.as_ref()), UnmountFlags::NOFOLLOW)?)
}

/// umount2(2) knows only paths. One through `/proc/self/fd` leads to the
/// directory that the descriptor is open on, whatever it is called meanwhile.
fn entry_path(dir: BorrowedFd<'_>, name: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name)
}
