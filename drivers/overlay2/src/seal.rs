//! What a draft needs before it is a layer.
//!
//! Sealing may happen more than once: a commit can fail after it. So it takes
//! nothing away that a second commit, onto another parent, would need.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use graphdriver_api::{ErrorKind, LayerId, Op, Result};
use rustix::fs::{AtFlags, OFlags, unlinkat};
use rustix::io::Errno;
use sapwood_kit::at::xattr::{self, Target};
use sapwood_kit::at::{self, Meta, Time, open_beneath};
use sapwood_kit::fault;
use sapwood_kit::nodes::Node;
use sapwood_kit::whiteout::{OverlayFormat, is_content};

use crate::driver::Overlay2;
use crate::stack::{Part, Private, Stack};
use crate::unpack::Unpacked;
use crate::{NAME, tree, volatile};

impl Overlay2 {
    /// Puts a draft in order, to be committed onto `onto` if its parent comes
    /// only now. Returns what belongs into the layer's record.
    ///
    /// # Errors
    /// `Busy` if somebody still writes to it; `Corrupt` if a power cut may have
    /// damaged it.
    pub(crate) fn seal(&self, draft: &Node, onto: Option<&LayerId>) -> Result<serde_json::Value> {
        self.refuse_writers(Op::Commit, draft)?;
        self.refuse_lost(Op::Commit, draft)?;
        let mut private = Private::of(Op::Commit, draft)?;
        if draft.record().deferred {
            let parent = onto.map(|id| self.store.get(Op::Commit, id.into())).transpose()?;
            self.settle(draft, parent.as_ref())?;
            if let Some(parent) = &parent {
                private.metacopy |= Private::of(Op::Commit, parent)?.metacopy;
            }
        }
        let tidy = || -> io::Result<serde_json::Value> {
            at::remove_tree(draft.dir(), OsStr::new(tree::WORK))?;
            Ok(serde_json::to_value(private)?)
        };
        tidy().map_err(|e| self.failed(Op::Commit, draft, "tidy the draft up", e))
    }

    /// Gives a draft what it couldn't have before its parent was known.
    fn settle(&self, draft: &Node, parent: Option<&Node>) -> Result<()> {
        let fail = |e| self.failed(Op::Commit, draft, "put the draft onto its parent", e);
        let needs = Unpacked::read(draft.dir()).map_err(fail)?;
        let diff = tree::open(draft.dir()).map_err(fail)?;
        if !needs.whiteouts.is_empty() {
            let beneath = match parent {
                Some(parent) => Some(self.tree_of(parent)?),
                None => None,
            };
            settle_whiteouts(diff.as_fd(), beneath.as_ref(), &needs).map_err(fail)?;
        }
        if !needs.root_named {
            let root = parent.map(|parent| parent.open_dir(NAME, Op::Commit, tree::DIFF));
            settle_root(diff.as_fd(), root.transpose()?).map_err(fail)?;
        }
        Ok(())
    }

    /// A layer's tree, to look at.
    fn tree_of(&self, layer: &Node) -> Result<OwnedFd> {
        let stack = Stack::of(&self.store, Op::Commit, layer)?;
        let mount = stack.mount(self.ground(), Part::Whole, None, false)?;
        mount.open_root().map_err(|e| self.failed(Op::Commit, layer, "open its tree", e.into()))
    }

    pub(crate) fn refuse_lost(&self, op: Op, draft: &Node) -> Result<()> {
        let state = volatile::state(draft.dir());
        match state.map_err(|e| self.failed(op, draft, "look how it was mounted", e))? {
            volatile::State::Lost => Err(self.refused(
                op,
                draft,
                ErrorKind::Corrupt,
                "it was written to without flushing, and then the host was restarted or the medium \
                 failed: its files may be damaged; remove it",
            )),
            volatile::State::Durable | volatile::State::Unflushed => Ok(()),
        }
    }
}

fn settle_root(diff: BorrowedFd<'_>, below: Option<OwnedFd>) -> io::Result<()> {
    for name in xattr::read(Target::Open(diff), is_content)?.keys() {
        xattr::remove(Target::Open(diff), name)?;
    }
    match below {
        Some(below) => tree::take_root_from(below.as_fd(), diff),
        None => tree::make_plain(diff),
    }
}

/// A whiteout is right only where the kernel merges its directory with one
/// below. In any other it would be seen, as a name that can't be opened.
fn settle_whiteouts(
    diff: BorrowedFd<'_>,
    beneath: Option<&OwnedFd>,
    needs: &Unpacked,
) -> io::Result<()> {
    for (path, names) in &needs.whiteouts {
        let path = Path::new(OsStr::from_bytes(path));
        let merged = match beneath {
            Some(beneath) => is_merged(diff, beneath.as_fd(), path)?,
            None => false,
        };
        let dir = open(diff, path)?;
        let times = Meta::of(&dir)?;
        let mut changed = false;
        for name in names {
            changed |= settle_whiteout(dir.as_fd(), OsStr::from_bytes(name), merged)?;
        }
        if changed {
            keep_times(dir.as_fd(), times.atime, times.mtime)?;
        }
    }
    Ok(())
}

/// Whether it changed anything.
fn settle_whiteout(dir: BorrowedFd<'_>, name: &OsStr, wanted: bool) -> io::Result<bool> {
    fault::point("overlay2.seal.whiteout")?;
    let settled = match wanted {
        true => OverlayFormat::KERNEL.make_whiteout(dir, name),
        false => unlinkat(dir, name, AtFlags::empty()),
    };
    match settled {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) if wanted => Ok(false),
        Err(Errno::NOENT) if !wanted => Ok(false),
        Err(e) => Err(e.into()),
    }
}

fn keep_times(dir: BorrowedFd<'_>, atime: Time, mtime: Time) -> io::Result<()> {
    Ok(at::set_times(dir, atime, mtime)?)
}

/// Whether the directory at `path` would be merged with one of `beneath`: it is
/// a directory there too, and nothing on the way hides what is below.
fn is_merged(diff: BorrowedFd<'_>, beneath: BorrowedFd<'_>, path: &Path) -> io::Result<bool> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    match open_beneath(beneath, path, flags) {
        Ok(_) => {}
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
        Err(e) => return Err(e.into()),
    }
    let mut here = diff.try_clone_to_owned()?;
    for name in path.components() {
        here = open(here.as_fd(), Path::new(&name))?;
        if OverlayFormat::KERNEL.is_opaque(&here)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn open(dir: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    Ok(open_beneath(dir, path, OFlags::RDONLY | OFlags::DIRECTORY)?)
}
