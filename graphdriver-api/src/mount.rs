//! Making a node's tree visible: as data for somebody else to mount, or as a
//! guard that holds a mount.

use std::ffi::OsString;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::id::DraftId;

/// Whether a mount can be written to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// As the draft is: a view is read-only all the same.
    #[default]
    ReadWrite,
    /// Read-only, whatever the draft is (EROFS on writing).
    ReadOnly,
}

/// A contiguous run of ids and what it appears as: the three numbers of a line
/// in `/proc/PID/uid_map` (user_namespaces(7)), with `outside` being the ids on
/// disk as this host sees them without the mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IdRange {
    /// The first id as stored on disk.
    pub on_disk: u32,
    /// The first id as the mount shows it (and as the container's user
    /// namespace must map it).
    pub shown: u32,
    /// How many ids; never 0, and neither end passes `u32::MAX`.
    pub count: u32,
}

/// Ownership as a mount shows it (mount_setattr(2), `MOUNT_ATTR_IDMAP`).
///
/// Ids outside every range appear as the overflow id, and creating a file as
/// such an id fails with EOVERFLOW. Nothing on disk is rewritten.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IdMap {
    /// For user ids. Ranges don't overlap on either side; at most 340.
    pub uids: Vec<IdRange>,
    /// For group ids.
    pub gids: Vec<IdRange>,
}

/// How a tree is to be mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountRequest {
    /// Whether it can be written to.
    pub access: Access,
    /// Ownership as the mount shows it; `None` as on disk. `Unsupported`
    /// unless [`Traits::id_maps`](crate::Traits::id_maps).
    pub id_map: Option<IdMap>,
    /// Skip flushing for speed: after a power cut the *draft* may be lost as a
    /// whole. Never affects a committed layer. Advice: a driver that can't is
    /// durable instead.
    pub volatile: bool,
}

impl MountRequest {
    /// A read-only mount with ownership as on disk.
    #[must_use]
    pub fn read_only() -> Self {
        Self { access: Access::ReadOnly, ..Self::default() }
    }
}

/// What somebody in another mount namespace does to see a draft's tree.
///
/// A plan reserves nothing: it is true as long as the draft is there and not
/// mounted, and whoever carries it out answers for there being one writer and
/// for unmounting before the draft is committed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum MountPlan {
    /// Bind-mount a directory.
    Bind {
        /// An absolute path of the host.
        source: PathBuf,
        /// Whether to make it read-only (a second step: mount(2), "remounting
        /// a bind mount").
        access: Access,
    },
    /// Mount a file system.
    Mount {
        /// Its type as in `/proc/filesystems`.
        fs_type: String,
        /// Its source argument.
        source: OsString,
        /// Options in the order in which they must be given; a value may hold
        /// commas and colons that are part of a path, already escaped as the
        /// file system wants them.
        options: Vec<(String, Option<OsString>)>,
        /// Whether to mount read-only.
        access: Access,
    },
}

/// Proof on paper that a mount was left standing on purpose: enough for a
/// later process to find it and to know that it is the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MountTicket {
    /// The driver that made the mount.
    pub driver: String,
    /// The mounted draft.
    pub draft: DraftId,
    /// Where it is mounted.
    pub path: PathBuf,
    /// What tells this mount from another at the same place, in the driver's
    /// own form.
    pub token: String,
}

/// What a driver implements to hold a mount; callers see [`MountGuard`].
pub trait MountHandle: Send + Sync {
    /// The root directory of the mounted tree.
    fn root(&self) -> BorrowedFd<'_>;
    /// Where the tree is mounted, in the mount namespace of the thread that
    /// mounted it.
    fn path(&self) -> &Path;
    /// Unmounts. On an error the mount still stands and the handle can be used
    /// again; after `Ok` it won't be.
    ///
    /// # Errors
    /// As [`MountGuard::unmount`].
    fn unmount(&mut self) -> Result<()>;
    /// Leaves the mount standing and records that this is on purpose. On an
    /// error the handle still holds it; after `Ok` it won't be used again.
    ///
    /// # Errors
    /// As [`MountGuard::persist`].
    fn persist(&mut self) -> Result<MountTicket>;
}

/// A mounted tree. While it lives, the draft can't be mounted again, applied
/// to, committed or removed (`Busy`).
///
/// Dropping it unmounts. A drop can't report: whoever needs to know that the
/// draft is free calls [`unmount`](Self::unmount). What a failed drop leaves
/// is found by recovery, and until then the draft stays `Busy`: a mount that
/// still has writers is never mistaken for one that has ended.
#[must_use = "dropping the guard unmounts the tree"]
pub struct MountGuard(Option<Box<dyn MountHandle>>);

impl MountGuard {
    /// Wraps a driver's handle.
    pub fn new(handle: impl MountHandle + 'static) -> Self {
        Self(Some(Box::new(handle)))
    }

    /// The root directory of the mounted tree; `None` once unmounted.
    #[must_use]
    pub fn root(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(|h| h.root())
    }

    /// Where the tree is mounted; `None` once unmounted. Absolute, in the
    /// mount namespace of the thread that mounted it.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.0.as_ref().map(|h| h.path())
    }

    /// Unmounts and frees the draft. Never lazily: after `Ok` nobody can write
    /// to the tree any more through this mount. A second call does nothing.
    ///
    /// # Errors
    /// `Busy` while somebody has a file or a working directory in the tree;
    /// the guard still holds it, and the call can be repeated.
    pub fn unmount(&mut self) -> Result<()> {
        if let Some(handle) = self.0.as_mut() {
            handle.unmount()?;
        }
        self.0 = None;
        Ok(())
    }

    /// Leaves the mount standing after this process. The draft stays `Busy`
    /// until somebody [adopts](crate::GraphDriver::adopt) and unmounts it, or
    /// recovery finds that the mount is gone (a reboot). `None` if the guard
    /// was unmounted before.
    ///
    /// # Errors
    /// `Unsupported` where a mount can't outlive its process; `Io`, `NoSpace`
    /// when the record can't be written. The guard then still holds the mount.
    pub fn persist(&mut self) -> Result<Option<MountTicket>> {
        let ticket = self.0.as_mut().map(|h| h.persist()).transpose()?;
        self.0 = None;
        Ok(ticket)
    }
}

impl fmt::Debug for MountGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MountGuard").field(&self.path()).finish()
    }
}

impl Drop for MountGuard {
    fn drop(&mut self) {
        // The documented limit of a drop: a failure leaves the draft Busy for
        // recovery to find. Nothing is lost by it, so nothing is printed.
        drop(self.unmount());
    }
}
