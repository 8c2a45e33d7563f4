//! An overlay of directories beneath one root, or several.

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
use crate::at::open_beneath;
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

/// Where layers lie.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// A directory: an absolute path.
    pub path: &'a Path,
    /// The same, opened.
    pub root: BorrowedFd<'a>,
}

/// A layer that is only read.
#[derive(Debug, Clone, Copy)]
pub struct Lower<'a> {
    /// Which of [`Overlay::lenders`] it lies in; `None` for the overlay's own root.
    pub lender: Option<usize>,
    /// Its directory, relative to that.
    pub dir: &'a Path,
}

impl<'a> From<&'a Path> for Lower<'a> {
    fn from(dir: &'a Path) -> Self {
        Self { lender: None, dir }
    }
}

/// What is to be mounted. Layers are directories beneath one root, or some few, so
/// that an id map takes one mapped copy of each root, and not one a layer.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// The root: an absolute path without symbolic links.
    pub path: &'a Path,
    /// The same, opened.
    pub root: BorrowedFd<'a>,
    /// Other roots that layers lie in.
    pub lenders: &'a [Place<'a>],
    /// Layers that are only read, the topmost first: at least one, and without an
    /// upper at least two (the kernel wants it so).
    pub lowers: &'a [Lower<'a>],
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
            None if way != Way::Page => Ok(self.build(way, &self.given())),
            _ => in_private_namespace(|| Ok(self.in_namespace(way))),
        };
        let mount =
            built.map_err(|e| MountError::new("start a thread that mounts", errno(&e)))??;
        self.check_writable(&mount)?;
        Ok(mount)
    }

    /// The own root and then the others.
    fn places(&self) -> impl Iterator<Item = Place<'_>> {
        let own = Place { path: self.path, root: self.root };
        std::iter::once(own).chain(self.lenders.iter().copied())
    }

    fn given(&self) -> Vec<BorrowedFd<'_>> {
        self.places().map(|place| place.root).collect()
    }

    /// In a namespace of its own, where the roots have to be opened again.
    fn in_namespace(&self, way: Way) -> Result<Detached, MountError> {
        let open_all = || self.places().map(open_path).collect::<Result<Vec<_>, _>>();
        let mut roots = open_all()?;
        if let Some(ids) = self.ids {
            for (root, place) in roots.iter().zip(self.places()) {
                Self::mapped(root.as_fd(), ids)?.attach_at(place.path)?;
            }
            roots = open_all()?;
            become_owner(ids)?;
        }
        self.build(way, &as_fds(&roots))
    }

    /// With mapped copies of the roots that stand nowhere.
    fn with_copy(&self, way: Way, ids: &Mapped) -> Result<Detached, MountError> {
        let mapped = self.places().map(|place| Self::mapped(place.root, ids));
        let mapped = mapped.collect::<Result<Vec<_>, _>>()?;
        become_owner(ids)?;
        self.build(way, &as_fds(&mapped))
    }

    fn mapped(root: BorrowedFd<'_>, ids: &Mapped) -> Result<Detached, MountError> {
        let copy = Detached::copy_of(root)?;
        copy.set(&MountAttr::new().id_map(ids.namespace()))?;
        Ok(copy)
    }

    fn build(&self, way: Way, roots: &[BorrowedFd<'_>]) -> Result<Detached, MountError> {
        match way {
            Way::Descriptors => configured::mount(self, roots, configured::Value::Descriptor),
            Way::Names => configured::mount(self, roots, configured::Value::Name),
            Way::Page => classic::mount(self, roots),
        }
    }

    /// A lower's directory beneath its root. In somebody else's root nothing on the
    /// way may lead elsewhere.
    pub(super) fn open_lower(
        roots: &[BorrowedFd<'_>],
        lower: &Lower<'_>,
    ) -> Result<OwnedFd, MountError> {
        const DOING: &str = "open a layer's directory";
        let index = lower.lender.map_or(0, |lender| lender.saturating_add(1));
        let root = roots.get(index).ok_or_else(|| MountError::new(DOING, Errno::INVAL))?;
        match lower.lender {
            None => Self::open(*root, lower.dir),
            Some(_) => open_beneath(root, lower.dir, OFlags::PATH | OFlags::DIRECTORY)
                .map_err(MountError::at(DOING)),
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

fn open_path(place: Place<'_>) -> Result<OwnedFd, MountError> {
    const DOING: &str = "open the root in a mount namespace";
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, place.path, flags, Mode::empty()).map_err(MountError::at(DOING))?;
    let ids =
        |fd: BorrowedFd<'_>| fstat(fd).map(|s| (s.st_dev, s.st_ino)).map_err(MountError::at(DOING));
    match ids(root.as_fd())? == ids(place.root)? {
        true => Ok(root),
        false => Err(MountError::new(DOING, Errno::STALE)
            .with_words("another directory lies at its path by now")),
    }
}

fn as_fds(open: &[impl AsFd]) -> Vec<BorrowedFd<'_>> {
    open.iter().map(AsFd::as_fd).collect()
}

fn become_owner(ids: &Mapped) -> Result<(), MountError> {
    let (uid, gid) = ids.owner().shown;
    become_on_file_systems(uid, gid).map_err(MountError::at("take the ids that the map shows"))
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
