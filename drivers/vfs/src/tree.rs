//! The directory that holds a tree.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use graphdriver_api::{Error, NodeRef, Op, Result};
use rustix::fs::{Mode, mkdirat};
use sapwood_kit::at::{self, Time};
use sapwood_kit::copy::copy_tree;
use sapwood_kit::fault;
use sapwood_kit::nodes::{Kind, Making, Node, NodeStore};
use serde::{Deserialize, Serialize};

use crate::NAME;

/// Its name in a node's directory. A view has none: it shows its layer's.
pub(crate) const TREE: &str = "tree";

/// What the driver keeps in a node's record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Private {
    /// When the tree was complete as a copy of its parent's
    /// ([`Copied::baseline`](sapwood_kit::copy::Copied)): seconds and
    /// nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    baseline: Option<(i64, u32)>,
}

impl Private {
    pub(crate) fn baseline(self) -> Option<Time> {
        self.baseline.map(|(sec, nsec)| Time { sec, nsec })
    }
}

/// Makes a draft's tree: a copy of its base's, or an empty one.
pub(crate) fn make(op: Op, making: &Making<'_>) -> Result<Private> {
    let made = make_dir(making.dir()).map_err(|e| Error::io(op, "make the tree", e))?;
    match making.base() {
        Some(base) => {
            let from = base.open_dir(NAME, op, TREE)?;
            let copied = copy_tree(op, from.as_fd(), made.as_fd(), None)?;
            Ok(Private { baseline: Some((copied.baseline.sec, copied.baseline.nsec)) })
        }
        None => {
            as_scratch(made.as_fd()).map_err(|e| Error::io(op, "make the tree", e))?;
            Ok(Private::default())
        }
    }
}

fn make_dir(dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    fault::point("vfs.tree.mkdir")?;
    mkdirat(dir, TREE, Mode::RWXU)?;
    Ok(at::open_dir(dir, TREE.as_ref())?)
}

/// The root of an empty tree ([`Base::Scratch`](graphdriver_api::Base)).
fn as_scratch(tree: BorrowedFd<'_>) -> io::Result<()> {
    fault::point("vfs.tree.scratch")?;
    at::chown(tree, 0, 0)?;
    at::chmod(tree, 0o755, false)?;
    Ok(at::set_times(tree, Time::default(), Time::default())?)
}

/// Whose directory a node's tree is in: its own, or a view's layer's.
pub(crate) fn owner(node: &Node) -> NodeRef<'_> {
    match (node.record().kind, &node.record().parent) {
        (Kind::View, Some(layer)) => layer.into(),
        _ => node.id(),
    }
}

/// Opens a node's tree for reading.
pub(crate) fn open(store: &NodeStore, op: Op, node: &Node) -> Result<OwnedFd> {
    let owner = owner(node);
    if owner == node.id() {
        return node.open_dir(NAME, op, TREE);
    }
    store.get(op, owner)?.open_dir(NAME, op, TREE)
}
