//! Looking whether a driver's root is whole, and mending it.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::driver::NodeInfo;
use crate::error::Result;
use crate::id::{NodeId, NodeRef};
use crate::status::Usage;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// What a crash may leave: nothing is wrong, and the next opening or
    /// reclaiming takes it away.
    Leftover,
    /// What no crash leaves, and nothing is lost by it: what is right can be
    /// told from what else is there.
    Wrong,
    /// Something is gone, or can't be relied on, that nothing here can bring
    /// back.
    Lost,
}

/// What [`Care::repair`] would do about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// Put it right, with nothing lost.
    Mend,
    /// Move it out of the root, whole, to where it can be looked at.
    SetAside,
    /// Nothing: it needs what isn't there (the image, loaded again).
    Nothing,
}

/// One difference between what lies on the disk and what should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Short and stable (`parent-missing`): programs may rely on it.
    pub code: Cow<'static, str>,
    /// How bad it is.
    pub severity: Severity,
    /// The node that it is about, if it is about one.
    pub node: Option<NodeId>,
    /// Where, relative to the root that was checked; empty for the root.
    pub path: PathBuf,
    /// What is so, one clause.
    pub what: String,
    /// What repairing would do.
    pub remedy: Remedy,
    /// The same in words, one clause in the infinitive ("write its record
    /// again").
    pub repair: Cow<'static, str>,
}

/// Takes findings one by one; returns `Break` to stop early, which is not an
/// error.
pub type FindingSink<'a> = dyn FnMut(Finding) -> ControlFlow<()> + 'a;

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repaired {
    /// It is right now.
    Mended,
    /// What was in the way lies there now.
    SetAside(PathBuf),
    /// It wasn't so any more.
    Gone,
    /// It can't be put right here, or not now (a living process has it).
    Kept,
}

/// The power to check a root without opening it, and to mend what is wrong in
/// it. An opened driver mends what crashes leave; this is for the rest: a
/// medium that failed, a file that was deleted by hand, a mistake of ours.
///
/// Every method may be called while other processes use the root, and what
/// they are in the middle of is no finding.
pub trait Care: Send + Sync {
    /// Tells everything in `root` that isn't as the driver left it, and returns
    /// the nodes whose records can be read, drafts before layers, each in the
    /// order of ids.
    ///
    /// Changes nothing, and mounts nothing: a root on a read-only medium can be
    /// checked. Files in nodes' trees are not looked at. A root that isn't
    /// there has neither nodes nor findings.
    ///
    /// Cost: some system calls a node.
    ///
    /// # Errors
    /// `Corrupt` if `root` is another driver's, or of a newer format; `Io` if
    /// it can't be read. Never for what is a finding.
    fn check(&self, root: &Path, sink: &mut FindingSink<'_>) -> Result<Vec<NodeInfo>>;

    /// Does what the finding's [`Remedy`] says, if it still is so. What is set
    /// aside goes to `quarantine`, a directory on the root's file system.
    /// Durable on return.
    ///
    /// # Errors
    /// `Io`, `NoSpace`; the finding is as it was then.
    fn repair(&self, root: &Path, finding: &Finding, quarantine: &Path) -> Result<Repaired>;

    /// What [`GraphDriver::usage`](crate::GraphDriver::usage) says of a node,
    /// found without opening the root.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` if its tree is missing.
    fn usage(&self, root: &Path, node: NodeRef<'_>) -> Result<Usage>;
}
