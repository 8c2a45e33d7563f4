//! Puts the entries of a layer archive onto a tree.
//!
//! The result depends on the tree and the archive alone: as if everything that
//! the archive hides were removed first, and its entries were then made one
//! after the other, while nothing but the named attributes changes.

mod attributes;
mod content;
mod hide;
mod path;
mod place;
mod placed;
mod tree;

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use graphdriver_api::{Applied, Error, ErrorKind, Limits, Op, Result};

use crate::at::{self, Context};
use crate::whiteout::OverlayFormat;

use super::entry::Entry;
use super::read::Reader;
use super::rule::Rule;
use path::Place;
use tree::Tree;

/// What an archive is put onto.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A whole tree, in which everything beneath can be seen and removed: a
    /// plain directory, or a union that is mounted.
    Merged,
    /// An empty directory that is to be an overlay's upper (and later lower)
    /// directory.
    Upper {
        /// How to mark what is hidden.
        format: OverlayFormat,
        /// What the overlay will have beneath it.
        beneath: Beneath,
    },
}

/// What lies beneath an upper directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beneath {
    /// Nothing, ever: what the archive hides isn't there.
    Nothing,
    /// Something that isn't known yet. Whatever the result would depend on it
    /// for is refused as `NeedsParent`.
    Unknown,
}

/// What applying an archive has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What the archive held.
    pub applied: Applied,
    /// Whether it named the root (`./`). If not, the root has the attributes
    /// that it had: for an upper directory over something unknown, the caller
    /// still has to give it those of the root beneath.
    pub root: bool,
}

/// Unpacks the archive in `tar`, which is read to its very end, onto the tree
/// whose root directory is `root` (any descriptor of it, `O_PATH` too).
///
/// As [`GraphDriver::apply`](graphdriver_api::GraphDriver::apply): nothing
/// outside of `root` is looked at or touched. Nobody else may write to the
/// tree meanwhile. Needs the privilege to read and write every directory
/// (CAP_DAC_OVERRIDE) and `/proc`. Nothing is flushed.
///
/// Memory: bounded by [`Limits`]; in [`Form::Merged`] also some 40 bytes an
/// entry, because a later whiteout must not hide what the archive itself
/// brought. Costs some 5 system calls for a small file.
///
/// # Errors
/// `BadDiff` (the entry and the rule), `NeedsParent`, `Unsupported` (the entry
/// can't exist there), `NoSpace`, `QuotaExceeded`, `Io`. The tree is then in
/// some state between.
pub fn apply(root: impl AsFd, tar: &mut dyn Read, form: Form, limits: &Limits) -> Result<Outcome> {
    let root = open_root(root)?;
    let mut apply = Apply {
        reader: Reader::new(tar, limits),
        tree: Tree::new(root, form, limits)?,
        max_depth: limits.depth,
        zero_device: form == Form::Merged,
        outcome: Outcome::default(),
    };
    while let Some(entry) = apply.reader.next_entry()? {
        apply.entry(&entry).map_err(|e| e.with_path(OsStr::from_bytes(&entry.path)))?;
    }
    apply.finish()
}

fn open_root(root: impl AsFd) -> Result<OwnedFd> {
    at::open_dir(root, OsStr::new(".")).doing_to(Op::Apply, "open the tree's root", || ".")
}

/// The state of an application.
struct Apply<'a> {
    reader: Reader<'a>,
    tree: Tree,
    max_depth: u32,
    /// Whether a character device 0:0 would be just that.
    zero_device: bool,
    outcome: Outcome,
}

impl Apply<'_> {
    fn entry(&mut self, entry: &Entry) -> Result<()> {
        match path::parse(&entry.path, self.max_depth).map_err(bad)? {
            Place::Aufs => {}
            Place::Root => self.root(entry)?,
            Place::Name(parent, name) => {
                self.tree.enter(&parent)?;
                self.tree.mark(name);
                self.place(entry, &parent, name)?;
            }
            Place::Whiteout(parent, name) => {
                self.outcome.applied.whiteouts += 1;
                if self.tree.find(&parent)? {
                    self.tree.hide(name)?;
                }
            }
            Place::Opaque(parent) => {
                self.outcome.applied.whiteouts += 1;
                if self.tree.find(&parent)? {
                    self.tree.hide_all()?;
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Outcome> {
        self.tree.finish()?;
        self.outcome.applied.replaced = self.tree.replaced;
        self.outcome.applied.entries = self.reader.entries();
        self.outcome.applied.bytes = self.reader.bytes();
        Ok(self.outcome)
    }
}

/// A broken rule; the caller adds the entry's path.
fn bad(rule: impl Into<Rule>) -> Error {
    Error::new(ErrorKind::BadDiff, Op::Apply, format!("the archive has {}", rule.into()))
}

/// Something that depends on what nobody knows yet.
fn needs_parent(what: &'static str) -> Error {
    Error::new(ErrorKind::NeedsParent, Op::Apply, what)
}
