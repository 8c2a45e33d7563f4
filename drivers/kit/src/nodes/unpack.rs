//! The mark of a draft that an archive is being unpacked into. It is on the
//! medium before the first change of the tree, and goes only when the whole
//! tree is there too; so nothing half unpacked passes for whole. The mark of a
//! draft for one boot isn't flushed: names come to the medium in order, and the
//! draft goes with what it is on.

use std::io;
use std::os::fd::BorrowedFd;

use graphdriver_api::{DraftId, Op, Result};

use super::flush::flush;
use super::lease::Use;
use super::query::Node;
use super::{NodeStore, disk};
use crate::fault;

const MARK: &str = "unpacking";

/// Whether the draft bears the mark.
pub(super) fn is_unpacking(drafts: BorrowedFd<'_>, id: &DraftId) -> io::Result<bool> {
    disk::is_there(drafts, &format!("{id}/{MARK}"))
}

impl NodeStore {
    /// Has `change` unpack an archive into a draft, with nobody else near.
    ///
    /// After `Ok` what it wrote is on the medium. If it fails, panics, or is
    /// cut off, the draft is unpacking for ever.
    ///
    /// Cost besides `change`: a flush of what was written, and two of the draft's
    /// directory unless it is for one boot.
    ///
    /// # Errors
    /// As [`lease`](Self::lease) with [`Use::Change`]; those of `change`.
    pub fn unpack<T>(&self, draft: &DraftId, change: impl FnOnce(&Node) -> Result<T>) -> Result<T> {
        let call = self.call(Op::Apply, draft);
        let lease = self.lease(Op::Apply, draft, Use::Change)?;
        let dir = lease.node().dir();
        // syncfs tells each descriptor of the failures since it was opened, so
        // this one is opened before anything is written.
        let watch = disk::open_dir(dir, ".").map_err(call.io("open the draft"))?;
        let lasts = !lease.node().is_volatile().map_err(call.io("look at the draft"))?;
        mark(dir, lasts).map_err(call.io("mark the draft as unpacking"))?;
        let done = change(lease.node())?;
        flush(&watch).map_err(call.io("flush the draft"))?;
        unmark(dir, lasts).map_err(call.io("mark the draft as unpacked"))?;
        Ok(done)
    }
}

fn mark(dir: BorrowedFd<'_>, flush: bool) -> io::Result<()> {
    fault::point("nodes.unpack.mark")?;
    disk::make_mark(dir, MARK)?;
    if flush { disk::sync_dir(dir) } else { Ok(()) }
}

fn unmark(dir: BorrowedFd<'_>, flush: bool) -> io::Result<()> {
    fault::point("nodes.unpack.unmark")?;
    disk::remove_file(dir, MARK)?;
    if !flush {
        return Ok(());
    }
    let synced = disk::sync_dir(dir);
    if synced.is_err() {
        disk::make_mark(dir, MARK)?;
    }
    synced
}
