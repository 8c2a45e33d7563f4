//! Leases: who may change a draft, and who is reading a tree.
//!
//! A lease is a lock on the node's record, so it ends with its holder, however
//! that ends. What it guards besides is told by files: a ticket, or a mount
//! that stands without a holder, keeps a draft busy too.

use std::fs::File;
use std::os::fd::AsFd;

use graphdriver_api::{DraftId, ErrorKind, NodeId, NodeRef, Op, Result};

use super::call::Call;
use super::query::Node;
use super::record::{self, Kind};
use super::{NodeStore, disk, flush, lock, mounted, ticket, unpack};

/// What a draft is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// To be mounted: `stat` says so while the lease lives. Not for a draft
    /// that is unpacking or whose base is deferred (`WrongState`).
    Mount,
    /// To have its tree changed by the driver. Not for a view, nor for a draft
    /// that a commit couldn't flush (`WrongState`).
    Change,
    /// To be taken away. For any node, and nobody may be reading it either.
    Remove,
}

impl Use {
    fn bytes(self) -> lock::Bytes {
        match self {
            Self::Mount => lock::IN_USE_BY_MOUNT,
            Self::Change => lock::IN_USE,
            Self::Remove => lock::ALONE,
        }
    }
}

/// The right to use a node alone, until it is dropped or its process dies.
#[derive(Debug)]
#[must_use = "the node is free again when this is dropped"]
pub struct Lease {
    node: Node,
    lock: File,
}

impl Lease {
    /// The node.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        lock::release(&self.lock);
    }
}

/// A node whose tree is being read: as long as this lives, `remove` of it is
/// `Busy`, so that a walk never takes a tree that is being deleted for one in
/// which files are missing. What is beneath the node stays while the node does.
#[derive(Debug)]
#[must_use = "the node can be removed when this is dropped"]
pub struct Reading {
    node: Node,
    lock: File,
}

impl Reading {
    /// The node.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        lock::release(&self.lock);
    }
}

impl NodeStore {
    /// Takes a draft for the caller alone. Never waits.
    ///
    /// # Errors
    /// `NotFound`; `Busy` (mounted, persisted, or in use); `WrongState` as
    /// [`Use`] says.
    pub fn lease(&self, op: Op, draft: &DraftId, purpose: Use) -> Result<Lease> {
        let lease = self.lease_node(op, draft.into(), purpose)?;
        let call = self.call(op, draft);
        self.check_free(call, draft)?;
        self.check_state(call, lease.node(), purpose)?;
        Ok(lease)
    }

    /// The lock alone, for any node, whatever its state.
    pub(super) fn lease_node(&self, op: Op, node: NodeRef<'_>, purpose: Use) -> Result<Lease> {
        let call = self.call(op, node);
        let found = self.get(op, node)?;
        let lock = self.open_lock(call, &found, true)?;
        let taken = lock::try_exclusive(&lock, purpose.bytes());
        if !taken.map_err(call.io("lock the node's record"))? {
            return Err(call.fail(ErrorKind::Busy, "it is mounted, or in use by another caller"));
        }
        // From here on dropping it releases the lock.
        let lease = Lease { node: found, lock };
        self.check_stands(call, lease.node())?;
        Ok(lease)
    }

    /// Opens a node for reading its tree.
    ///
    /// # Errors
    /// `NotFound`; `Busy` if it is just being removed.
    pub fn read(&self, op: Op, node: NodeRef<'_>) -> Result<Reading> {
        let call = self.call(op, node);
        let found = self.get(op, node)?;
        let lock = self.open_lock(call, &found, false)?;
        let taken = lock::try_shared(&lock, lock::READ);
        if !taken.map_err(call.io("lock the node's record"))? {
            return Err(call.fail(ErrorKind::Busy, "it is being removed"));
        }
        let reading = Reading { node: found, lock };
        self.check_stands(call, reading.node())?;
        Ok(reading)
    }

    /// Whether a draft could be mounted now, without taking it.
    ///
    /// # Errors
    /// As [`lease`](Self::lease) for [`Use::Mount`].
    pub fn check_mountable(&self, op: Op, draft: &DraftId) -> Result<Node> {
        let call = self.call(op, draft);
        let node = self.get(op, draft.into())?;
        let record = self.open_lock(call, &node, false)?;
        let held = lock::is_held(&record, lock::IN_USE);
        if held.map_err(call.io("look whether it is in use"))? {
            return Err(call.fail(ErrorKind::Busy, "it is mounted, or in use by another caller"));
        }
        self.check_free(call, draft)?;
        self.check_state(call, &node, Use::Mount)?;
        Ok(node)
    }

    /// Opens the file whose bytes are the node's locks.
    fn open_lock(&self, call: Call<'_>, node: &Node, writable: bool) -> Result<File> {
        let found = match writable {
            true => disk::find_lockable(node.dir(), record::LOCKED),
            false => disk::find_file(node.dir(), record::LOCKED),
        };
        let file = found.map_err(call.io("open the node's record"))?;
        file.ok_or_else(|| self.missing_record(call, node.id(), node.dir()))
    }

    /// Between finding a node and locking it, another may have taken its place.
    fn check_stands(&self, call: Call<'_>, node: &Node) -> Result<()> {
        match self.stands(node.id(), node.dir()).map_err(call.io("look for the node"))? {
            true => Ok(()),
            false => Err(call.fail(ErrorKind::NotFound, "")),
        }
    }

    /// What keeps a draft busy without a holder.
    pub(super) fn check_free(&self, call: Call<'_>, draft: &DraftId) -> Result<()> {
        if ticket::read(self, call, draft)?.is_some() {
            return Err(call.fail(
                ErrorKind::Busy,
                "its mount was left standing: adopt it with its ticket and unmount",
            ));
        }
        match mounted::stands(self, draft).map_err(call.io("look for a mount"))? {
            true => Err(call.fail(
                ErrorKind::Busy,
                "a mount of a process that has ended still stands: end what uses it",
            )),
            false => Ok(()),
        }
    }

    fn check_state(&self, call: Call<'_>, node: &Node, purpose: Use) -> Result<()> {
        if let Some(why) = self.wrong_state(call, node, purpose)? {
            return Err(call.fail(ErrorKind::WrongState, why));
        }
        Ok(())
    }

    fn wrong_state(
        &self,
        call: Call<'_>,
        node: &Node,
        purpose: Use,
    ) -> Result<Option<&'static str>> {
        let NodeId::Draft(id) = node.id().to_owned() else { return Ok(None) };
        if purpose == Use::Remove {
            return Ok(None);
        }
        if purpose == Use::Change && node.record().kind == Kind::View {
            return Ok(Some("a view never changes: prepare a draft on its layer"));
        }
        if purpose == Use::Change && self.has_lost_bytes(call, &id)? {
            return Ok(Some(
                "it couldn't be written to the medium once, and files in it may be damaged: copy \
                 what you need, and remove it",
            ));
        }
        if purpose == Use::Mount && node.record().deferred {
            return Ok(Some("its base comes only with the commit"));
        }
        let unpacking = unpack::is_unpacking(self.drafts.as_fd(), &id);
        match unpacking.map_err(call.io("look whether it is unpacking"))? {
            true => Ok(Some("an unpacking was cut off or failed: it can only be removed")),
            false => Ok(None),
        }
    }

    fn has_lost_bytes(&self, call: Call<'_>, id: &DraftId) -> Result<bool> {
        flush::has_failed(self.drafts.as_fd(), id).map_err(call.io("look whether it was flushed"))
    }
}
