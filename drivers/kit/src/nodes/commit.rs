//! Turning a draft into a layer: one flush, one rename.

use std::io;
use std::os::fd::BorrowedFd;

use graphdriver_api::{DraftId, ErrorKind, LayerId, NodeRef, Op, Result};
use rustix::fs;
use serde_json::Value;

use super::call::Call;
use super::flush::flush_for_good;
use super::lease::Use;
use super::query::Node;
use super::{NodeStore, children, disk, mounted};
use crate::fault;

impl NodeStore {
    /// Commits a draft, as
    /// [`GraphDriver::commit`](graphdriver_api::GraphDriver::commit) says.
    ///
    /// `seal` is called when nothing can be wrong with the request any more,
    /// and before the flush: the driver's last chance to put the tree in order.
    /// It gives the driver's part of the layer's record.
    ///
    /// # Errors
    /// As there, and those of `seal`.
    pub fn commit(
        &self,
        draft: &DraftId,
        layer: &LayerId,
        onto: Option<&LayerId>,
        seal: impl FnOnce(&Node) -> Result<Value>,
    ) -> Result<()> {
        let call = self.call(Op::Commit, draft);
        let lease = self.lease(Op::Commit, draft, Use::Change)?;
        let node = lease.node();
        // syncfs tells of failures that nobody has been told of, or that came
        // since its descriptor was opened: a fresh one misses the least.
        let watch = disk::open_dir(node.dir(), ".").map_err(call.io("open the draft"))?;
        let parent = self.parent_to_be(call, node, onto)?;
        let beneath = parent.as_ref().map_or(0, |parent| parent.record().depth);
        self.check_depth(call, beneath.saturating_add(1))?;
        self.check_unused(call, layer)?;
        let named = parent.as_ref().and_then(parent_id).map(|id| (id, beneath));
        let record = node.record().committed(named, seal(node)?);
        record
            .write(node.dir(), layer.into(), false)
            .map_err(call.io("write the layer's record"))?;
        flush_for_good(&watch, node.dir()).map_err(call.io("flush the layer"))?;
        self.move_to_layers(call, draft, layer, parent.as_ref())
    }

    /// The layer that the new one will stand on.
    fn parent_to_be(
        &self,
        call: Call<'_>,
        node: &Node,
        onto: Option<&LayerId>,
    ) -> Result<Option<Node>> {
        let parent = match (node.record().deferred, onto) {
            (true, onto) => onto,
            (false, None) => node.record().parent.as_ref(),
            (false, Some(_)) => {
                return Err(call.fail(
                    ErrorKind::InvalidArgument,
                    "it was prepared on its base and can't be committed onto another",
                ));
            }
        };
        parent.map(|id| self.get(call.op, id.into()).map_err(|e| e.with_op(call.op))).transpose()
    }

    pub(super) fn check_unused(&self, call: Call<'_>, layer: &LayerId) -> Result<()> {
        let taken = disk::is_there(&self.layers, layer.as_str());
        match taken.map_err(call.io("look for the layer"))? {
            true => Err(call.on(layer).fail(ErrorKind::AlreadyExists, "")),
            false => Ok(()),
        }
    }

    fn move_to_layers(
        &self,
        call: Call<'_>,
        draft: &DraftId,
        layer: &LayerId,
        parent: Option<&Node>,
    ) -> Result<()> {
        let _held = self.lock.hold().map_err(call.io("lock the root"))?;
        self.check_unused(call, layer)?;
        if let Some(parent) = parent {
            self.check_parent_stands(call, parent)?;
        }
        let parent = parent.map(Node::dir);
        let moved = self.link_and_rename(draft, layer, parent);
        if moved.is_err() {
            unlink_from(parent, layer.into());
        }
        moved.map_err(call.io("move the draft to the layers"))?;
        unlink_from(parent, draft.into());
        // A point that stays is deleted by the next `open`.
        drop(mounted::remove_point(self, draft));
        Ok(())
    }

    pub(super) fn check_parent_stands(&self, call: Call<'_>, parent: &Node) -> Result<()> {
        let call = call.on(parent.id());
        match self.stands(parent.id(), parent.dir()).map_err(call.io("look for the parent"))? {
            true => Ok(()),
            false => Err(call.fail(ErrorKind::NotFound, "")),
        }
    }

    fn link_and_rename(
        &self,
        draft: &DraftId,
        layer: &LayerId,
        parent: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        if let Some(parent) = parent {
            children::link(parent, layer.into())?;
            children::sync(parent)?;
        }
        fault::point("nodes.commit.rename")?;
        fs::renameat(&self.drafts, draft.as_str(), &self.layers, layer.as_str())?;
        // Under the lock: nothing may stand on it before it is durable.
        let synced = disk::sync_dir(&self.layers).and_then(|()| disk::sync_dir(&self.drafts));
        if synced.is_err() {
            fs::renameat(&self.layers, layer.as_str(), &self.drafts, draft.as_str())?;
        }
        synced
    }
}

fn parent_id(node: &Node) -> Option<LayerId> {
    match node.id() {
        NodeRef::Layer(id) => Some(id.clone()),
        NodeRef::Draft(_) => None,
    }
}

fn unlink_from(parent: Option<BorrowedFd<'_>>, child: NodeRef<'_>) {
    if let Some(parent) = parent {
        // A link that stays is stale, and deleted by whoever finds it.
        drop(children::unlink(parent, child));
    }
}
