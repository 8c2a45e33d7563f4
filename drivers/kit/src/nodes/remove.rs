//! Removing a node: one rename into the trash.

use std::io;
use std::os::fd::AsFd;

use graphdriver_api::{ErrorKind, LayerId, NodeRef, Op, Result};
use rustix::fs;

use super::boot::Lasts;
use super::call::Call;
use super::lease::Use;
use super::query::Node;
use super::{NodeStore, boot, children, disk, lock, mounted, reclaim};
use crate::fault;

impl NodeStore {
    /// Removes a node, as
    /// [`GraphDriver::remove`](graphdriver_api::GraphDriver::remove) says.
    ///
    /// # Errors
    /// As there; `Busy` also while its tree is [read](Self::read).
    pub fn remove(&self, node: NodeRef<'_>) -> Result<()> {
        let call = self.call(Op::Remove, node);
        let lease = match self.lease_node(Op::Remove, node, Use::Remove) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            leased => leased?,
        };
        let lasts = match node {
            NodeRef::Draft(id) => {
                self.check_free(call, id)?;
                boot::lasts(lease.node().dir()).map_err(call.io("look for the draft's mark"))?
            }
            NodeRef::Layer(_) => Lasts::Always,
        };
        let aside = {
            let _held = self.lock.hold().map_err(call.io("lock the root"))?;
            if let NodeRef::Layer(id) = node {
                self.check_childless(call, id, lease.node())?;
            }
            // `reclaim` leaves it alone as long as it may have to come back.
            if !lock::try_dir(lease.node().dir()).map_err(call.io("lock the node"))? {
                return Err(call.fail(ErrorKind::Busy, "another caller is making or deleting it"));
            }
            let aside = reclaim::set_aside(self, self.shelf(node), node.as_str());
            aside.map_err(call.io("move the node to the trash"))?
        };
        let durable = match lasts {
            Lasts::Always => self.make_durable(node, &aside),
            // A power cut takes it away as well.
            Lasts::ThisBoot | Lasts::NoMore => Ok(()),
        };
        lock::release_dir(lease.node().dir());
        durable.map_err(call.io("flush the removal"))?;
        self.tidy_up(lease.node());
        Ok(())
    }

    fn check_childless(&self, call: Call<'_>, id: &LayerId, node: &Node) -> Result<()> {
        let child = children::first(self, id, node.dir());
        if let Some(child) = child.map_err(call.io("look for its children"))? {
            return Err(call.fail(ErrorKind::HasChildren, format!("{child} stands on it")));
        }
        // Else a power cut could bring a child back, and not the layer.
        let flushed = disk::sync_dir(&self.drafts).and_then(|()| disk::sync_dir(&self.layers));
        flushed.map_err(call.io("flush the removal of its children"))
    }

    /// Flushes the removal, or takes it back: a call that fails has changed
    /// nothing.
    fn make_durable(&self, node: NodeRef<'_>, aside: &str) -> io::Result<()> {
        let synced = disk::sync_dir(self.shelf(node));
        if synced.is_err() {
            let _held = self.lock.hold()?;
            fs::renameat(&self.trash, aside, self.shelf(node), node.as_str())?;
        }
        synced
    }

    /// Takes away what else there is of a node, unless a new one of its name
    /// has come to need it. What stays is found stale later.
    fn tidy_up(&self, node: &Node) {
        let tidy = || -> io::Result<()> {
            fault::point("nodes.remove.tidy")?;
            let _held = self.lock.hold()?;
            let id = node.id();
            if disk::is_there(self.shelf(id), id.as_str())?
                || disk::is_there(&self.making, id.as_str())?
            {
                return Ok(());
            }
            if let NodeRef::Draft(id) = id {
                mounted::remove_point(self, id)?;
            }
            let Some(parent) = &node.record().parent else { return Ok(()) };
            match disk::find_dir(&self.layers, parent.as_str())? {
                Some(dir) => children::unlink(dir.as_fd(), id),
                None => Ok(()),
            }
        };
        drop(tidy());
    }
}
