//! Checking a root that isn't open, and mending it.
//!
//! The structure is looked at under the root lock, so that it is seen as no
//! call is in the middle of changing it. What is wrong comes with what would
//! put it right; repairing looks again, under the same lock, and does that.
//! Files in trees are the engine's business, which knows what should be in
//! them.

mod act;
mod found;
mod ground;
mod look;
mod nodes;
mod records;
mod standing;

use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::Path;

use graphdriver_api::{
    Care, ErrorKind, Finding, FindingSink, NodeInfo, NodeRef, Op, Repaired, Result, Usage,
};

use super::call::Call;
use super::record::{self, Record};
use super::{Layout, disk, usage_of};

pub use found::{Action, Found, Own};
use look::Look;

/// What a driver says of itself so that its root can be checked.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// As it opens its roots with.
    pub layout: Layout,
    /// The directory that each draft and layer has, and a view has not.
    pub tree: &'static str,
    /// What else the driver may keep in a node's directory.
    pub keeps: &'static [&'static str],
    /// What the driver looks at itself.
    pub own: &'static dyn Own,
}

/// [`Care`] for every driver that keeps its nodes in directories.
#[derive(Debug, Clone, Copy)]
pub struct NodeCare(pub Rules);

impl NodeCare {
    fn call(&self, op: Op) -> Call<'static> {
        Call { driver: self.0.layout.driver, op, node: None }
    }
}

impl Care for NodeCare {
    fn check(&self, root: &Path, sink: &mut FindingSink<'_>) -> Result<Vec<NodeInfo>> {
        let call = self.call(Op::Check);
        let Some(look) = Look::at(call, root, &self.0)? else { return Ok(Vec::new()) };
        let looked = {
            let _held = look.lock.hold().map_err(call.io("lock the root"))?;
            look.all().map_err(call.io("look through the root"))?
        };
        for found in looked.found {
            if sink(found.finding) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(looked.nodes)
    }

    fn repair(&self, root: &Path, finding: &Finding, quarantine: &Path) -> Result<Repaired> {
        let call = self.call(Op::Repair);
        let Some(look) = Look::at(call, root, &self.0)? else { return Ok(Repaired::Gone) };
        let held = look.lock.hold().map_err(call.io("lock the root"))?;
        let looked = look.all().map_err(call.io("look through the root"))?;
        let same = |found: &Found| {
            found.finding.code == finding.code && found.finding.path == finding.path
        };
        let Some(found) = looked.found.into_iter().find(same) else { return Ok(Repaired::Gone) };
        match found.action {
            Action::Open | Action::Reclaim => {
                drop(held);
                act::by_opening(&found.action, root, &self.0)
            }
            _ => act::act(&look, &found, quarantine).map_err(call.io("mend the root")),
        }
    }

    fn usage(&self, root: &Path, node: NodeRef<'_>) -> Result<Usage> {
        let call = self.call(Op::Usage).on(node);
        let absent = || call.fail(ErrorKind::NotFound, "");
        let Some(look) = Look::at(call, root, &self.0)? else { return Err(absent()) };
        let opened = look.open_node(node).map_err(call.io("open the node's directory"))?;
        let dir = opened.ok_or_else(absent)?;
        if holds_nothing(&dir, node).map_err(call.io("read the node's record"))? {
            return Ok(Usage::default());
        }
        let tree = disk::find_dir(&dir, self.0.tree).map_err(call.io("open the node's tree"))?;
        let tree = tree.ok_or_else(|| call.fail(ErrorKind::Corrupt, "its tree is missing"))?;
        usage_of(tree.as_fd()).map_err(call.io("count the node's files"))
    }
}

/// Whether a node is known to have no tree here. One whose record can't be read
/// isn't.
fn holds_nothing(dir: impl AsFd, node: NodeRef<'_>) -> std::io::Result<bool> {
    let Some(file) = disk::find_file(dir, record::file_name(node))? else { return Ok(false) };
    let record = Record::parse(node, &disk::read_all(&file)?);
    Ok(record.is_ok_and(|record| !record.has_tree()))
}
