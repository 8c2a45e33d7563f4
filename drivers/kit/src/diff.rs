//! The difference between two trees, told by walking both.
//!
//! Names are visited in path order, directory by directory and by descriptor.
//! Two files are the same if everything that an archive can hold of them is:
//! type, owner, mode, modification time to the nanosecond, size, content,
//! extended attributes, link target, device number. Content is compared last,
//! and only of files that are alike in all else.
//!
//! # Files with several names
//!
//! Which names are one file is part of a tree. Among the names that both trees
//! have, those that are one file *now* and those that were one file *before*
//! must be the same names, or all of them count as modified. So of the names of
//! one file that were there before, either all are modified or none is: what an
//! archive then says of an added name is right either way (see [`Found::link`]).
//! To know the names of a file before its first is told, both trees are walked
//! once more beforehand; only files with several names are remembered.
//!
//! For an archive ([`Op::Diff`]), a file that was given another name counts as
//! modified as a whole. It would be enough to say that the new name is a link to
//! the old one; but many programs unpack a layer by itself, where the old name
//! isn't there, and then refuse it (image-spec, layer.md, "Hardlinks").
//!
//! # A tick of the clock
//!
//! A file can be written to without any number in its inode changing, if that
//! happens within the tick of the clock in which it was made: some
//! milliseconds. So files that are alike are read and compared, unless it is
//! known when the newer tree was copied from the older (a *baseline*): what
//! hasn't changed its ctime since is untouched, and if no directory above can
//! have been moved since, it is also the copy of what stands at its path. A ctime can't be set by anybody,
//! but a clock that is set back makes later changes look earlier; then a file
//! that is still alike in size, time, owner and mode, and differs in content
//! alone, isn't noticed. Without a baseline, nothing is assumed.

mod content;
mod equal;
mod links;
mod walk;

use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::path::Path;

use graphdriver_api::{Change, ChangeKind, ChangeSink, Op, Result};

use crate::at::Time;

pub(crate) use content::same as same_bytes;
pub use equal::{Look, same};
pub use walk::{Located, Pair, PairSink, Touched, walk};

use walk::walk_touched;

use links::Links;

/// The two trees whose difference is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Trees<'a> {
    /// The root of the tree before; `None` for no tree at all: then everything
    /// but the root is added.
    pub old: Option<BorrowedFd<'a>>,
    /// The root of the tree now. Both are open for reading.
    pub new: BorrowedFd<'a>,
    /// When the newer was complete as a copy of the older, in the clock of its
    /// file system; see the module's documentation.
    pub baseline: Option<Time>,
}

/// A changed path, with what somebody needs who writes it down.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Relative to the root; the root itself is `.`.
    pub path: &'a Path,
    /// The newer tree's directory in which the name stands or stood; for the
    /// root, the root itself.
    pub dir: BorrowedFd<'a>,
    /// How it differs.
    pub kind: ChangeKind,
    /// What is there now; `None` if it is deleted.
    pub now: Option<Located<'a>>,
    /// Another name of the same file that is there when this one is to be
    /// made: one that the older tree has too and that isn't modified, or else
    /// one that was told before.
    pub link: Option<&'a Path>,
}

/// Takes what is found, in path order; `Break` ends the walk without error.
pub type FoundSink<'a> = dyn FnMut(Found<'_>) -> Result<ControlFlow<()>> + 'a;

/// Tells the difference to `sink`. `op` is the call of the contract that errors
/// name.
///
/// The older tree must be at rest. The newer one may change meanwhile; a name
/// that vanishes counts as not there.
///
/// Memory: the names of the directories on the way down, and all names of
/// files with several. Cost: two walks of both trees, and reading the files
/// that are alike.
///
/// # Errors
/// The sink's, and those of reading, with the path.
pub fn find(op: Op, trees: &Trees<'_>, sink: &mut FoundSink<'_>) -> Result<()> {
    tell(op, trees, None, &Links::of(op, trees, None)?, sink)
}

/// As [`find`], looking only where the trees can differ. The result is the
/// same.
///
/// Cost: two walks of what was touched, unless that changes which names are one
/// file with names elsewhere: then two walks of both trees, as with `find`.
///
/// # Errors
/// As `find`.
pub fn find_touched(
    op: Op,
    trees: &Trees<'_>,
    touched: Touched<'_>,
    sink: &mut FoundSink<'_>,
) -> Result<()> {
    let links = Links::of(op, trees, Some(touched))?;
    match links.are_complete() {
        true => tell(op, trees, Some(touched), &links, sink),
        false => find(op, trees, sink),
    }
}

fn tell(
    op: Op,
    trees: &Trees<'_>,
    touched: Option<Touched<'_>>,
    links: &Links,
    sink: &mut FoundSink<'_>,
) -> Result<()> {
    let mut judge = links.judge(op, trees);
    walk_touched(op, trees.old, trees.new, touched, &mut |pair| {
        let Some((kind, link)) = verdict(op, trees, &mut judge, pair)? else {
            return Ok(ControlFlow::Continue(()));
        };
        sink(Found { path: pair.path, dir: pair.dir, kind, now: pair.new, link: link.as_deref() })
    })
}

/// As [`find`], for who only wants to know the paths.
///
/// # Errors
/// As `find`.
pub fn changes(op: Op, trees: &Trees<'_>, sink: &mut ChangeSink<'_>) -> Result<()> {
    find(op, trees, &mut |found| sink(Change { path: found.path.to_owned(), kind: found.kind }))
}

type Verdict = Option<(ChangeKind, Option<std::path::PathBuf>)>;

fn verdict(
    op: Op,
    trees: &Trees<'_>,
    judge: &mut links::Judge<'_>,
    pair: &Pair<'_>,
) -> Result<Verdict> {
    let (kind, new) = match (&pair.old, &pair.new) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Ok(Some((ChangeKind::Deleted, None))),
        // The root of a tree without a parent is there in the empty tree.
        (None, Some(new)) if pair.is_root() => {
            let plain = equal::is_plain_root(op, new)?;
            return Ok((!plain).then_some((ChangeKind::Modified, None)));
        }
        (None, Some(new)) => (ChangeKind::Added, new),
        (Some(_), Some(new)) => (ChangeKind::Modified, new),
    };
    if let Some(link) = judge.link_of(pair.path, new)? {
        return Ok(link.changed(kind).then_some((kind, link.to)));
    }
    // What was moved here as part of a directory is untouched itself, but isn't
    // the copy of what stood here.
    let baseline = trees.baseline.filter(|copied| pair.placed < *copied);
    match &pair.old {
        Some(old) if same(op, old, new, &Look { path: pair.path, baseline })? => Ok(None),
        _ => Ok(Some((kind, None))),
    }
}

#[cfg(test)]
mod tests;
