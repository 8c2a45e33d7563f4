//! Making drafts and views: in a directory of their own first, which becomes
//! the node with one rename when it is complete.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use graphdriver_api::{Base, DraftId, ErrorKind, LayerId, NodeRef, Op, Result};
use rustix::fs;
use serde::Serialize;

use super::call::Call;
use super::query::Node;
use super::record::{Kind, Record};
use super::{NodeStore, boot, children, disk, lock, reclaim};
use crate::fault;

/// A draft or view that is being made. Nobody sees it, and its base stays;
/// other calls that want the same id are `Busy`. Dropped without
/// [`publish`](Self::publish), it never was.
#[derive(Debug)]
#[must_use = "the draft is thrown away unless it is published"]
pub struct Making<'s> {
    store: &'s NodeStore,
    op: Op,
    id: DraftId,
    dir: OwnedFd,
    base: Option<Node>,
    record: Record,
    volatile: bool,
    published: bool,
}

impl NodeStore {
    /// Begins a draft or a view (`kind`) on `base`. The driver fills
    /// [`Making::dir`], in its own time, and publishes it.
    ///
    /// Cost: some system calls under the root lock; nothing is flushed.
    ///
    /// # Errors
    /// `AlreadyExists`; `Busy` (another caller is making it); `NotFound` (the
    /// base); `Unsupported` (the base is deeper than the layout's `max_depth`).
    pub fn begin(&self, op: Op, id: &DraftId, base: Base<'_>, kind: Kind) -> Result<Making<'_>> {
        let call = self.call(op, id);
        let (dir, node) = {
            let _held = self.lock.hold().map_err(call.io("lock the root"))?;
            self.reserve(call, id, base)?
        };
        let record = Record {
            kind,
            parent: match base {
                Base::Layer(layer) => Some(layer.clone()),
                Base::Scratch | Base::Deferred => None,
            },
            deferred: base == Base::Deferred,
            lender: None,
            depth: node.as_ref().map_or(0, |base| base.record().depth),
            created: Record::now(),
            private: serde_json::Value::Null,
        };
        Ok(Making {
            store: self,
            op,
            id: id.clone(),
            dir,
            base: node,
            record,
            // A view has nothing that anybody could miss.
            volatile: kind == Kind::View,
            published: false,
        })
    }

    fn reserve(
        &self,
        call: Call<'_>,
        id: &DraftId,
        base: Base<'_>,
    ) -> Result<(OwnedFd, Option<Node>)> {
        let taken = disk::is_there(&self.drafts, id.as_str());
        if taken.map_err(call.io("look for the draft"))? {
            return Err(call.fail(ErrorKind::AlreadyExists, ""));
        }
        let base = match base {
            Base::Layer(layer) => Some(self.base(call, layer)?),
            Base::Scratch | Base::Deferred => None,
        };
        let Some(dir) = reserve_dir(self, id).map_err(call.io("make the draft's directory"))?
        else {
            return Err(call.fail(ErrorKind::Busy, "another caller is making it"));
        };
        if let Some(base) = &base
            && let Err(e) = children::link(base.dir(), id.into())
        {
            let error = call.io("link the draft to its base")(e);
            // Without a maker it is dead: whoever comes next sets it aside.
            drop(reclaim::set_aside(self, self.making.as_fd(), id.as_str()));
            return Err(error);
        }
        Ok((dir, base))
    }

    /// The layer that a draft is to stand on.
    fn base(&self, call: Call<'_>, layer: &LayerId) -> Result<Node> {
        let base = self.get(call.op, layer.into())?;
        self.check_depth(call, base.record().depth)?;
        Ok(base)
    }

    pub(super) fn check_depth(&self, call: Call<'_>, depth: u32) -> Result<()> {
        match self.layout.max_depth {
            Some(max) if depth > max.get() => {
                let message =
                    format!("its chain would have {depth} layers; {max} are possible here");
                Err(call.fail(ErrorKind::Unsupported, message))
            }
            _ => Ok(()),
        }
    }
}

/// Makes and locks the directory in which a draft is made; `None` if a living
/// caller has it.
fn reserve_dir(store: &NodeStore, id: &DraftId) -> io::Result<Option<OwnedFd>> {
    fault::point("nodes.making.reserve")?;
    if !disk::make_dir(&store.making, id.as_str())? {
        if !set_aside_if_dead(store, id.as_str())? {
            return Ok(None);
        }
        disk::make_dir(&store.making, id.as_str())?;
    }
    let dir = disk::open_dir(&store.making, id.as_str())?;
    // Nobody else can hold it: only holders of the root lock try.
    match lock::try_dir(&dir)? {
        true => Ok(Some(dir)),
        false => Ok(None),
    }
}

/// Under the root lock: whether what is being made under that name has lost its
/// maker; then it is in the trash. Its link in its base is left to be found
/// stale.
pub(super) fn set_aside_if_dead(store: &NodeStore, name: &str) -> io::Result<bool> {
    let Some(dir) = disk::find_dir(&store.making, name)? else { return Ok(true) };
    if !lock::try_dir(&dir)? {
        return Ok(false);
    }
    reclaim::set_aside(store, store.making.as_fd(), name)?;
    Ok(true)
}

impl Making<'_> {
    /// The directory to fill: on the root's file system, empty, the driver's
    /// but for the store's own file names.
    #[must_use]
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The layer that it stands on.
    #[must_use]
    pub fn base(&self) -> Option<&Node> {
        self.base.as_ref()
    }

    /// Whether it is for this boot only, as
    /// [`DraftSpec::volatile`](graphdriver_api::DraftSpec) asks. A view always is.
    pub fn volatile(mut self, volatile: bool) -> Self {
        self.volatile |= volatile;
        self
    }

    /// Makes it a node, with `private` in its record. Durable on return, unless
    /// it is for this boot only: the node, and what the driver made directly in
    /// [`dir`](Self::dir); not the bytes of files in it.
    ///
    /// Cost: three to four flushes of a file or directory, none of a tree; no
    /// flush at all for this boot only.
    ///
    /// # Errors
    /// `Io`, `NoSpace`; the draft is not there then.
    pub fn publish(mut self, private: &impl Serialize) -> Result<()> {
        let id = self.id.clone();
        let call = self.store.call(self.op, &id);
        let private = serde_json::to_value(private).map_err(io::Error::from);
        self.record.private = private.map_err(call.io("describe the draft"))?;
        self.complete().map_err(call.io("write the draft's record"))?;
        self.appear().map_err(call.io("put the draft in its place"))
    }

    /// Everything that must be there, and on the medium, before the node is.
    fn complete(&self) -> io::Result<()> {
        self.record.write(self.dir(), (&self.id).into(), !self.volatile)?;
        if self.volatile {
            return boot::mark(&self.dir);
        }
        disk::sync_dir(&self.dir)?;
        match &self.base {
            Some(base) => children::sync(base.dir()),
            None => Ok(()),
        }
    }

    fn appear(&mut self) -> io::Result<()> {
        let store = self.store;
        {
            let _held = store.lock.hold()?;
            fault::point("nodes.making.rename")?;
            fs::renameat(&store.making, self.id.as_str(), &store.drafts, self.id.as_str())?;
        }
        if !self.volatile
            && let Err(e) = disk::sync_dir(&store.drafts)
        {
            // It may or may not last: better that it isn't there at all.
            let _held = store.lock.hold()?;
            fs::renameat(&store.drafts, self.id.as_str(), &store.making, self.id.as_str())?;
            return Err(e);
        }
        self.published = true;
        Ok(())
    }

    fn throw_away(&self) -> io::Result<()> {
        let _held = self.store.lock.hold()?;
        reclaim::set_aside(self.store, self.store.making.as_fd(), self.id.as_str())?;
        match &self.base {
            Some(base) => children::unlink(base.dir(), NodeRef::from(&self.id)),
            None => Ok(()),
        }
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if !self.published {
            // What can't be thrown away now has no maker any more, and is by
            // whoever finds it.
            drop(self.throw_away());
        }
        lock::release_dir(&self.dir);
    }
}
