//! An overlay of directories beneath one root.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags, fstat, fstatvfs, openat};
use rustix::io::Errno;
use sapwood_sys::mount_attr::MountAttr;
use sapwood_sys::thread::become_on_file_systems;
use serde::{Deserialize, Serialize};

use super::detached::Detached;
use super::error::MountError;
use super::private::{in_private_namespace, in_thread};
use super::{classic, configured};
use crate::idmap::Mapped;

/// How an overlay is described to the kernel. Which ways a kernel knows shows
/// only when a mount is created: an old one takes options it doesn't
/// understand without a word, and fails in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// One `lowerdir+` a layer, layers as descriptors (Linux 6.13).
    Descriptors,
    /// One `lowerdir+` a layer, layers as short names that stand for
    /// descriptors (Linux 6.7).
    Names,
    /// mount(2) with all options in one page, layers as short names that stand
    /// for descriptors (any kernel). Takes a private mount namespace.
    Page,
}

impl Way {
    /// All, the best first.
    pub const ALL: [Self; 3] = [Self::Descriptors, Self::Names, Self::Page];
}

/// The writable layer.
#[derive(Debug, Clone, Copy)]
pub struct Upper<'a> {
    /// The root that its directories are beneath, if that isn't the overlay's:
    /// a mount that stands nowhere. Not with ids, and not in the way
    /// [`Way::Page`], which has to find everything in another namespace.
    pub root: Option<BorrowedFd<'a>>,
    /// The directory that takes the changes, relative to the root.
    pub dir: &'a Path,
    /// A directory beside it in which the kernel prepares them.
    pub work: &'a Path,
}

/// What is to be mounted. Layers are directories beneath one root, so that an
/// id map takes one mapped copy of the root, and not one a layer.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// The root: an absolute path without symbolic links.
    pub path: &'a Path,
    /// The same, opened.
    pub root: BorrowedFd<'a>,
    /// Layers that are only read, the topmost first, relative to the root: at
    /// least one, and without an upper at least two (the kernel wants it so).
    pub lowers: &'a [&'a Path],
    /// The writable layer, if there is one.
    pub upper: Option<Upper<'a>>,
    /// Options of the file system, in order.
    pub options: &'a [(&'static str, Option<&'static str>)],
    /// Ownership as the mount shows it.
    pub ids: Option<&'a Mapped>,
    /// Whether the kernel takes layers of mounts that stand nowhere
    /// (Linux 6.15); a mapped copy can then do without a namespace.
    pub detached_layers: bool,
}

impl Overlay<'_> {
    /// Mounts it, in the given way.
    ///
    /// With ids, the mounting happens as the [`Owner`](crate::idmap::Owner)'s,
    /// because the kernel makes files of its own with them; capabilities stay.
    /// The work directory must be the owner's then, or it can't be written to.
    ///
    /// # Errors
    /// Each step's own. `ROFS` if the kernel would mount it only for reading,
    /// though it has an upper: it says why in its log alone (dmesg(1)).
    pub fn mount(&self, way: Way) -> Result<Detached, MountError> {
        let built = match self.ids {
            Some(ids) if self.detached_layers && way != Way::Page => {
                in_thread(|| Ok(self.with_copy(way, ids)))
            }
            None if way != Way::Page => Ok(self.build(way, self.root)),
            _ => in_private_namespace(|| Ok(self.in_namespace(way))),
        };
        let mount =
            built.map_err(|e| MountError::new("start a thread that mounts", errno(&e)))??;
        self.check_writable(&mount)?;
        Ok(mount)
    }

    /// In a namespace of its own, where the root has to be opened again.
    fn in_namespace(&self, way: Way) -> Result<Detached, MountError> {
        let mut root = self.open_path()?;
        if let Some(ids) = self.ids {
            Self::mapped(root.as_fd(), ids)?.attach_at(self.path)?;
            root = self.open_path()?;
            become_owner(ids)?;
        }
        self.build(way, root.as_fd())
    }

    /// With a mapped copy of the root that stands nowhere.
    fn with_copy(&self, way: Way, ids: &Mapped) -> Result<Detached, MountError> {
        let mapped = Self::mapped(self.root, ids)?;
        become_owner(ids)?;
        self.build(way, mapped.as_fd())
    }

    fn mapped(root: BorrowedFd<'_>, ids: &Mapped) -> Result<Detached, MountError> {
        let copy = Detached::copy_of(root)?;
        copy.set(&MountAttr::new().id_map(ids.namespace()))?;
        Ok(copy)
    }

    fn build(&self, way: Way, root: BorrowedFd<'_>) -> Result<Detached, MountError> {
        match way {
            Way::Descriptors => configured::mount(self, root, configured::Value::Descriptor),
            Way::Names => configured::mount(self, root, configured::Value::Name),
            Way::Page => classic::mount(self, root),
        }
    }

    fn open_path(&self) -> Result<OwnedFd, MountError> {
        const DOING: &str = "open the root in a mount namespace";
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, self.path, flags, Mode::empty()).map_err(MountError::at(DOING))?;
        let ids = |fd: BorrowedFd<'_>| {
            fstat(fd).map(|s| (s.st_dev, s.st_ino)).map_err(MountError::at(DOING))
        };
        match ids(root.as_fd())? == ids(self.root)? {
            true => Ok(root),
            false => Err(MountError::new(DOING, Errno::STALE)
                .with_words("another directory lies at its path by now")),
        }
    }

    /// A layer's directory, to be given to the kernel.
    pub(super) fn open(root: BorrowedFd<'_>, dir: &Path) -> Result<OwnedFd, MountError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(root, dir, flags, Mode::empty()).map_err(MountError::at("open a layer's directory"))
    }

    /// Where it can't prepare the work directory, the kernel mounts for reading
    /// and says so only in its log.
    fn check_writable(&self, mount: &Detached) -> Result<(), MountError> {
        if self.upper.is_none() {
            return Ok(());
        }
        const DOING: &str = "mount the overlay for writing";
        let found = fstatvfs(mount).map_err(MountError::at(DOING))?;
        match found.f_flag.contains(StatVfsMountFlags::RDONLY) {
            false => Ok(()),
            true => Err(MountError::new(DOING, Errno::ROFS)
                .with_words("the kernel mounted it read-only, and its log (dmesg) says why")),
        }
    }
}

fn become_owner(ids: &Mapped) -> Result<(), MountError> {
    let (uid, gid) = ids.owner().shown;
    become_on_file_systems(uid, gid).map_err(MountError::at("take the ids that the map shows"))
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
