//! Differences, from what the upper directory names.
//!
//! Both trees are mounted, where nobody sees them: the node's from its own
//! directory and its chain, all as lower layers, and its parent's. So what a
//! redirect, a copied-up attribute or an opaque directory means is the kernel's
//! to say. The upper directory then tells where to look: in a directory that it
//! has, and that neither hides nor redirects, nothing differs but what it
//! names.

use std::ffi::OsStr;
use std::io::Write;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use graphdriver_api::{
    Change, ChangeSink, DiffSummary, ErrorKind, NativeDiff, NodeRef, Op, Result,
};
use sapwood_kit::archive::Writer;
use sapwood_kit::at::xattr::{self, Target};
use sapwood_kit::diff::{self, FoundSink, Touched, Trees};
use sapwood_kit::nodes::{Node, Reading};
use sapwood_kit::whiteout::OverlayFormat;

use crate::NAME;
use crate::driver::Overlay2;
use crate::stack::{Part, Stack};
use crate::tree::DIFF;

/// The trees that a difference is between, open for as long as it is told.
struct Both {
    _reading: Reading,
    old: Option<OwnedFd>,
    new: OwnedFd,
    /// The node's own directory; `None` for a view, which doesn't differ.
    touched: Option<OwnedFd>,
}

impl Both {
    fn trees(&self) -> Trees<'_> {
        Trees { old: self.old.as_ref().map(AsFd::as_fd), new: self.new.as_fd(), baseline: None }
    }
}

impl Overlay2 {
    fn both(&self, op: Op, node: NodeRef<'_>) -> Result<Both> {
        let reading = self.store.read(op, node)?;
        if reading.node().record().deferred {
            let why = "its parent comes only with the commit";
            return Err(self.refused(op, reading.node(), ErrorKind::WrongState, why));
        }
        let stack = Stack::of(&self.store, op, reading.node())?;
        let new = self.mounted(op, reading.node(), &stack, Part::Whole)?;
        let old = match stack.beneath.is_empty() {
            true => None,
            false => Some(self.mounted(op, reading.node(), &stack, Part::Beneath)?),
        };
        let touched = match stack.own {
            Some(_) => Some(reading.node().open_dir(NAME, op, DIFF)?),
            None => None,
        };
        Ok(Both { _reading: reading, old, new, touched })
    }

    fn mounted(&self, op: Op, node: &Node, stack: &Stack, part: Part) -> Result<OwnedFd> {
        let mount = stack.mount(self.ground(), part, None, false)?;
        mount.open_root().map_err(|e| self.failed(op, node, "open its tree", e.into()))
    }
}

/// Whether an upper directory shows what is below at the same path where it
/// names nothing itself.
fn merges(dir: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    let opaque = OverlayFormat::KERNEL.is_opaque(dir)?;
    let redirect = OsStr::new("trusted.overlay.redirect");
    Ok(!opaque && !xattr::has(Target::Open(dir), redirect)?)
}

impl Overlay2 {
    fn find(&self, op: Op, node: NodeRef<'_>, sink: &mut FoundSink<'_>) -> Result<()> {
        let both = self.both(op, node)?;
        let trees = both.trees();
        let found = match &both.touched {
            Some(touched) => {
                let touched = Touched { root: touched.as_fd(), merges: &merges };
                diff::find_touched(op, &trees, touched, sink)
            }
            None => Ok(()),
        };
        found.map_err(|e| e.with_driver(NAME).with_node(node))
    }
}

impl NativeDiff for Overlay2 {
    fn changes(&self, node: NodeRef<'_>, sink: &mut ChangeSink<'_>) -> Result<()> {
        self.find(Op::Changes, node, &mut |found| {
            sink(Change { path: found.path.to_owned(), kind: found.kind })
        })
    }

    fn diff(&self, node: NodeRef<'_>, tar: &mut dyn Write) -> Result<DiffSummary> {
        let mut writer = Writer::new(Op::Diff, tar);
        self.find(Op::Diff, node, &mut |found| {
            writer.add(&found)?;
            Ok(ControlFlow::Continue(()))
        })?;
        writer.finish().map_err(|e| e.with_driver(NAME).with_node(node))
    }
}
