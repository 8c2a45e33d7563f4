//! Differences, told by comparing two trees.

use std::os::fd::{AsFd, OwnedFd};

use graphdriver_api::{NodeRef, Op, Result};
use sapwood_kit::diff::Trees;
use sapwood_kit::nodes::{Kind, NodeStore, Reading};

use crate::tree::{self, Private};
use crate::{NAME, driver::named};

/// The two trees of a node and its parent, held against removal.
#[derive(Debug)]
pub(crate) struct Difference {
    reading: Reading,
    old: Option<OwnedFd>,
    new: OwnedFd,
    private: Private,
}

impl Difference {
    /// Opens both trees; `None` for a view, which has no difference.
    pub(crate) fn of(store: &NodeStore, op: Op, node: NodeRef<'_>) -> Result<Option<Self>> {
        let reading = store.read(op, node)?;
        let found = reading.node();
        if found.record().kind == Kind::View {
            return Ok(None);
        }
        // What a node stands on stays while the node does.
        let parent = found.record().parent.as_ref().map(|id| store.get(op, id.into()));
        let old = parent.map(|parent| tree::open(store, op, &parent?)).transpose()?;
        let new = tree::open(store, op, found)?;
        let private = found.private(NAME, op)?;
        Ok(Some(Self { old, new, private, reading }))
    }

    /// Has the difference told by `tell`, and names the node in its errors.
    pub(crate) fn tell<T>(&self, tell: impl FnOnce(&Trees<'_>) -> Result<T>) -> Result<T> {
        let trees = Trees {
            old: self.old.as_ref().map(AsFd::as_fd),
            new: self.new.as_fd(),
            baseline: self.private.baseline(),
        };
        tell(&trees).map_err(named(self.reading.node().id()))
    }
}
