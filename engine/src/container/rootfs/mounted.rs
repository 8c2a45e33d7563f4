//! A container's tree, mounted where its own root can reach it.

use std::fs::{self, File};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use graphdriver_api::{DraftId, GraphDriver, IdMap, IdRange as Shown, MountGuard, MountRequest};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::container::error::{Error, Result};
use crate::container::spec::IdRanges;
use crate::container::value::IdRange;
use crate::fault;

/// Gives this thread, and every process that it starts, mounts of their own.
/// So a container's mounts are seen by nobody else, and vanish with the last
/// process that uses them, however it ends. What the host unmounts later is
/// unmounted here too: nothing of the host is kept busy. Gives the namespace, for
/// a process that was started before.
///
/// # Errors
/// The process isn't privileged.
pub(in crate::container) fn leave_mount_namespace() -> Result<File> {
    unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| {
            let flags = MsFlags::MS_SLAVE | MsFlags::MS_REC;
            mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        })
        .map_err(|e| Error::io("can't make a mount namespace: run this as root", e))?;
    let own = Path::new("/proc/thread-self/ns/mnt");
    File::open(own).map_err(|e| Error::io_at("open", own, e))
}

/// A mounted tree.
#[derive(Debug)]
pub(in crate::container) struct Mounted {
    guard: MountGuard,
    /// A second mount of it, where folders above may be entered by anybody.
    open: Option<PathBuf>,
}

impl Mounted {
    /// Mounts a draft; with mapped ids, once more in `dir`: the driver's own
    /// folders may be closed to the container's root.
    ///
    /// # Errors
    /// The driver's.
    pub(in crate::container) fn new(
        driver: &dyn GraphDriver,
        draft: &DraftId,
        ids: Option<IdRanges>,
        volatile: bool,
        dir: &Path,
    ) -> Result<Self> {
        let id_map =
            ids.map(|ids| IdMap { uids: vec![shown(ids.users)], gids: vec![shown(ids.groups)] });
        let request = MountRequest { id_map, volatile, ..MountRequest::default() };
        let mut mounted = Self { guard: driver.mount(draft, &request)?, open: None };
        if ids.is_some() {
            let place = dir.join("rootfs");
            bind(mounted.guard_path()?, &place)?;
            mounted.open = Some(place);
        }
        Ok(mounted)
    }

    /// Where the container's root finds it.
    pub(in crate::container) fn path(&self) -> Result<&Path> {
        self.open.as_deref().map_or_else(|| self.guard_path(), Ok)
    }

    /// Its root directory.
    pub(in crate::container) fn root(&self) -> Result<BorrowedFd<'_>> {
        self.guard.root().ok_or_else(|| Error::invalid("the driver mounted nothing"))
    }

    fn guard_path(&self) -> Result<&Path> {
        self.guard.path().ok_or_else(|| Error::invalid("the driver mounted nothing"))
    }

    /// Unmounts it, so that the draft is free.
    ///
    /// # Errors
    /// Somebody is still in it.
    pub(in crate::container) fn unmount(mut self) -> Result<()> {
        if let Some(place) = self.open.take() {
            umount2(&place, MntFlags::UMOUNT_NOFOLLOW)
                .map_err(|e| Error::io_at("unmount", &place, e))?;
        }
        Ok(self.guard.unmount()?)
    }
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    fault::point("run.mount.mkdir")
        .and_then(|()| fs::create_dir(to))
        .map_err(|e| Error::io_at("create", to, e))?;
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|e| Error::io_at("mount", to, e))
}

/// On disk the owners are those of the image, 0 and up.
fn shown(range: IdRange) -> Shown {
    Shown { on_disk: 0, shown: range.start, count: range.size }
}
