//! A mount that has no place.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use sapwood_sys::mount_attr::MountAttr;

use super::error::MountError;
use crate::fault;

/// A mount that is in no mount namespace. It ends when this and everything
/// that was opened through it are closed, unless it is attached before.
#[derive(Debug)]
pub struct Detached(OwnedFd);

impl Detached {
    /// `mount` was made by open_tree(2) or fsmount(2).
    pub(super) fn new(mount: OwnedFd) -> Self {
        Self(mount)
    }

    /// A second mount of the directory that `dir` is open on (a bind mount),
    /// without the mounts beneath it.
    ///
    /// # Errors
    /// `PERM` without CAP_SYS_ADMIN; `INVAL` for a directory of a detached
    /// mount, on kernels before 6.15.
    pub fn copy_of(dir: impl AsFd) -> Result<Self, MountError> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        fault::point("mount.copy").map_err(injected("copy the mount"))?;
        open_tree(dir, "", flags).map(Self).map_err(MountError::at("copy the mount"))
    }

    /// A new, empty tmpfs of at most `bytes`, readable by its owner only.
    ///
    /// # Errors
    /// `PERM` without CAP_SYS_ADMIN.
    pub fn tmpfs(bytes: u64) -> Result<Self, MountError> {
        const DOING: &str = "mount a tmpfs";
        let context =
            fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).map_err(MountError::at(DOING))?;
        let mount = || {
            fsconfig_set_string(&context, "size", bytes.to_string())?;
            fsconfig_set_string(&context, "mode", "0700")?;
            fsconfig_create(&context)?;
            fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
        };
        mount().map(Self).map_err(MountError::at(DOING))
    }

    /// Changes its attributes.
    ///
    /// # Errors
    /// As [`MountAttrError`](sapwood_sys::mount_attr::MountAttrError) says.
    pub fn set(&self, attr: &MountAttr<'_>) -> Result<(), MountError> {
        attr.apply(self.0.as_fd()).map_err(MountError::attr("change the mount's attributes"))
    }

    /// The root directory, opened for reading.
    ///
    /// # Errors
    /// As open(2).
    pub fn open_root(&self) -> Result<OwnedFd, MountError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(&self.0, ".", flags, Mode::empty()).map_err(MountError::at("open the mount's root"))
    }

    /// Puts the mount over the directory `name` in `dir`, in the calling
    /// thread's mount namespace. From here on it stands until it is unmounted.
    ///
    /// The value that is given back holds the mount, and so keeps it from being
    /// unmounted until it is dropped.
    ///
    /// # Errors
    /// `NOENT`, `NOTDIR` (a symbolic link is not followed); `INVAL` if `dir` is
    /// of another mount namespace; `NOSPC` when there are too many mounts.
    pub fn attach(&self, dir: impl AsFd, name: impl AsRef<Path>) -> Result<(), MountError> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        fault::point("mount.attach").map_err(injected("attach the mount"))?;
        move_mount(&self.0, "", dir, name.as_ref(), flags)
            .map_err(MountError::at("attach the mount"))
    }

    /// As [`attach`](Self::attach), by a path from where the thread stands.
    pub(super) fn attach_at(&self, path: &Path) -> Result<(), MountError> {
        self.attach(CWD, path)
    }
}

impl AsFd for Detached {
    /// The root directory, as with `O_PATH`: to look up names in, not to read.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Detached> for OwnedFd {
    fn from(mount: Detached) -> Self {
        mount.0
    }
}

pub(super) fn injected(doing: &'static str) -> impl FnOnce(std::io::Error) -> MountError {
    move |e| {
        MountError::new(
            doing,
            rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::IO),
        )
    }
}
