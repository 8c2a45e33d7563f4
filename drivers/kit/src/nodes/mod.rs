//! The life cycle on disk of drivers that keep their nodes in directories.
//!
//! A driver says what is in a node's directory and how it is mounted. The
//! store does the rest, the same for each: names, records, parents and
//! children, locks, mounts and tickets, durability, recovery, reclaiming.
//!
//! # Layout
//!
//! ```text
//! <root>/            flock(2): the root lock
//!   format           {"driver":"vfs","version":1,"nodes":1}; nodes 2 since
//!                    the first layer was borrowed
//!   making/<draft>/  a draft that is being made; flock(2) by its maker.
//!                    `.borrow-…`: a borrowed layer
//!   drafts/<draft>/  draft.json, and what the driver keeps
//!     boot           a link to the boot that it is for, if it is for one only
//!     unpacking      an apply began and hasn't succeeded
//!     unflushed      a commit's flush failed
//!   layers/<layer>/  layer.json (and the draft.json that it once had), and
//!                    what the driver keeps; of a borrowed layer nothing else
//!     children/      draft.<id> and layer.<id>: an empty file for each child
//!   mounts/<draft>/  where a draft is mounted, or was once
//!   tickets/<draft>  the ticket of a mount that was left standing
//!   trash/           removed nodes, for `reclaim`
//!   boot             a link to the boot in which drafts for one were last looked for
//! ```
//!
//! # Invariants
//!
//! 1. A node exists if and only if its directory stands in `drafts` or
//!    `layers`. It comes and goes with one rename, with its record in it.
//! 2. A record never changes. What changes about a draft is told by other
//!    files' being there (`unpacking`, `unflushed`, `tickets/<draft>`) and by locks.
//! 3. A node's link in its parent's `children` is on the medium before the node
//!    is, and is taken away after it; but for nodes for one boot, which are gone
//!    in the next before anything else is done there. So a link may be stale, and one is never
//!    missing; whoever finds a stale one (its node isn't there, or has another
//!    parent) deletes it. Whether a layer has children costs one readdir,
//!    however many nodes there are.
//! 4. Directories of nodes change only under the root lock.
//! 5. A draft is changed only by the holder of its lock (`lock`), a mount's
//!    holder included; a ticket, or a mount that stands without a holder,
//!    excludes like a lock.
//!
//! # What is assumed of the file system
//!
//! A rename is atomic, also between directories. Names, and links' targets, reach
//! the medium in the order in which they were made. fsync(2) of a directory makes
//! its names durable, and the inodes of empty directories made in it; fsync(2)
//! of a file its bytes; syncfs(2) everything written before. A failure of the
//! medium is reported by them. Locks of fcntl(2) and flock(2) work (no network
//! file system).

mod boot;
mod borrow;
mod call;
mod care;
mod children;
mod commit;
mod disk;
mod flush;
mod format;
mod ground;
mod lease;
mod lender;
mod lock;
mod making;
mod mounted;
mod namespace;
mod query;
mod reclaim;
mod record;
mod recover;
mod remove;
mod ticket;
mod unpack;
mod usage;

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use graphdriver_api::{NodeRef, Op, Recovered, Result};

use call::Call;
use lock::RootLock;

pub use borrow::Lent;
pub use care::{Action, Found, NodeCare, Own, Rules};
pub use format::has_nodes;
pub use ground::Ground;
pub use lease::{Lease, Reading, Use};
pub use lender::Lender;
pub use making::Making;
pub use query::Node;
pub use record::{Kind, Record};
pub use usage::usage_of;

/// What makes one driver's root different from another's.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// The driver's name, written into the root and into every error.
    pub driver: &'static str,
    /// The version of what the driver keeps in its nodes. A root of a newer
    /// version is refused; reading older ones is the driver's business.
    pub version: u32,
    /// As [`Traits::max_depth`](graphdriver_api::Traits::max_depth).
    pub max_depth: Option<NonZeroU32>,
    /// Directories that the driver keeps for itself beside the store's own;
    /// made when they are missing, and otherwise left alone.
    pub own: &'static [&'static str],
}

/// A driver's root directory with the nodes in it.
///
/// Any number of stores may be open on one root, in any number of processes.
#[derive(Debug)]
pub struct NodeStore {
    layout: Layout,
    path: PathBuf,
    root: OwnedFd,
    lock: RootLock,
    making: OwnedFd,
    drafts: OwnedFd,
    layers: OwnedFd,
    mounts: OwnedFd,
    tickets: OwnedFd,
    trash: OwnedFd,
    recovered: Recovered,
}

impl NodeStore {
    /// Opens the store on `root`, which is made if it isn't there, and mends
    /// what dead processes left: drafts that were being made are set aside for
    /// [`reclaim`](Self::reclaim), mounts without a holder are unmounted (in
    /// this mount namespace; never lazily), tickets whose mount is gone are
    /// deleted, what was for an earlier boot is set aside. What living processes hold is left alone.
    ///
    /// Cost: some system calls, and some for each draft that is being made or
    /// is mounted; none for other nodes, but at the first opening in a boot, which
    /// looks into every draft's directory.
    ///
    /// # Errors
    /// `Corrupt`: `root` is another driver's, or of a newer version, or holds
    /// files that no store put there.
    pub fn open(root: &Path, layout: Layout) -> Result<Self> {
        let call = Call { driver: layout.driver, op: Op::Open, node: None };
        let mut store = format::open(call, root, layout)?;
        store.recovered = recover::run(&store, call)?;
        Ok(store)
    }

    /// What opening had to mend.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// The root directory, absolute and without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The root directory.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// What the store was opened with.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn call<'a>(&self, op: Op, node: impl Into<NodeRef<'a>>) -> Call<'a> {
        Call { driver: self.layout.driver, op, node: Some(node.into()) }
    }

    fn bare_call(&self, op: Op) -> Call<'static> {
        Call { driver: self.layout.driver, op, node: None }
    }

    /// The directory in which a node of that kind of id stands.
    fn shelf(&self, node: NodeRef<'_>) -> BorrowedFd<'_> {
        match node {
            NodeRef::Draft(_) => self.drafts.as_fd(),
            NodeRef::Layer(_) => self.layers.as_fd(),
        }
    }
}
