//! Whiteouts: removes or marks what lies beneath, and never what the archive
//! itself has brought.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use graphdriver_api::{Op, Result};
use rustix::fs::{self, AtFlags};
use rustix::io::Errno;

use crate::at::{self, Context, Descent, Meta, Names};
use crate::fault;
use crate::whiteout::OverlayFormat;

use super::placed::{Placed, State};
use super::tree::{Below, Tree};
use super::{attributes, needs_parent};

impl Tree {
    /// Hides what is beneath at `name` in the current directory.
    pub(super) fn hide(&mut self, name: &OsStr) -> Result<()> {
        match &self.below {
            Below::Nothing => Ok(()),
            Below::Unknown(format) => self.mark_hidden(*format, name),
            Below::Tree(placed) => match placed.get(self.names(name)) {
                None => self.remove(name),
                Some(state) => self.purge_named(name, state),
            },
        }
    }

    /// Hides all that is beneath in the current directory.
    pub(super) fn hide_all(&mut self) -> Result<()> {
        match &self.below {
            Below::Nothing => Ok(()),
            // The kernel doesn't look at the mark of an overlay's root.
            Below::Unknown(_) if self.is_root() => Err(needs_parent("the root is opaque")),
            Below::Unknown(format) => {
                let sealed = seal(*format, self.dir());
                sealed.doing_to(Op::Apply, "mark the directory opaque", || self.path())?;
                self.seal();
                Ok(())
            }
            Below::Tree(_) => {
                self.touch();
                let dir = at::open_dir(self.dir(), OsStr::new(".")).doing_to(
                    Op::Apply,
                    "open the directory",
                    || self.path(),
                )?;
                self.purge(dir, self.path(), None)
            }
        }
    }

    /// Removes `name` in the current directory, whatever it is.
    pub(super) fn remove(&mut self, name: &OsStr) -> Result<()> {
        self.touch();
        self.forget_links();
        self.count_removed(name)?;
        let remove = || -> std::io::Result<()> {
            fault::point("archive.apply.remove")?;
            at::remove_tree(self.dir(), name)?;
            Ok(())
        };
        remove().doing_to(Op::Apply, "remove what was there", || self.join(name))
    }

    /// Marks `name` in an upper directory. What is there is the archive's own:
    /// a directory hides what is beneath by being opaque, and all else does so
    /// anyway.
    fn mark_hidden(&mut self, format: OverlayFormat, name: &OsStr) -> Result<()> {
        if !self.shows_through() {
            // Nothing is left to be hidden, and in an opaque directory the
            // kernel would list a whiteout as a file.
            return Ok(());
        }
        self.touch();
        let dir = self.dir();
        let mark = || -> std::io::Result<()> {
            fault::point("archive.apply.whiteout")?;
            match at::open_dir(dir, name) {
                Ok(existing) => seal(format, existing.as_fd())?,
                Err(Errno::NOENT) => format.make_whiteout(dir, name)?,
                Err(Errno::NOTDIR | Errno::LOOP) => {}
                Err(e) => return Err(e.into()),
            }
            Ok(())
        };
        mark().doing_to(Op::Apply, "mark what is hidden", || self.join(name))
    }

    /// Removes what is beneath in a directory that the archive has brought, or
    /// has brought something in. What isn't a directory is the archive's.
    fn purge_named(&mut self, name: &OsStr, state: State) -> Result<()> {
        match at::open_dir(self.dir(), name) {
            Ok(dir) => {
                self.touch();
                self.purge(dir, self.join(name), Some(state))
            }
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => Ok(()),
            Err(e) => Err(e).doing_to(Op::Apply, "open the directory", || self.join(name)),
        }
    }

    fn purge(&mut self, dir: OwnedFd, path: PathBuf, state: Option<State>) -> Result<()> {
        self.forget_links();
        self.count_emptied();
        let Below::Tree(placed) = &self.below else { return Ok(()) };
        let level = Level::read(&dir, state).doing_to(Op::Apply, "read the directory", || &path)?;
        Purge { placed, path, descent: Descent::new(dir, level) }.run()
    }
}

/// Makes an upper directory opaque; whiteouts in it have no meaning then, and
/// would be listed as files. It keeps its times.
fn seal(format: OverlayFormat, dir: BorrowedFd<'_>) -> std::io::Result<()> {
    fault::point("archive.apply.opaque")?;
    let meta = Meta::of(dir)?;
    for entry in Names::read(dir)?.iter() {
        if format.is_whiteout(dir, entry.name, &Meta::at(dir, entry.name)?)? {
            fs::unlinkat(dir, entry.name, AtFlags::empty())?;
        }
    }
    format.make_opaque(dir)?;
    Ok(at::set_times(dir, meta.atime, meta.mtime)?)
}

/// A walk of a directory that is partly the archive's.
struct Purge<'a> {
    placed: &'a Placed,
    /// Where it began.
    path: PathBuf,
    descent: Descent<Level>,
}

struct Level {
    names: Names,
    next: usize,
    meta: Meta,
    /// How the archive has brought this directory; `None` where the walk began
    /// and the directory itself isn't concerned.
    state: Option<State>,
}

impl Level {
    fn read(dir: &OwnedFd, state: Option<State>) -> rustix::io::Result<Self> {
        Ok(Self { names: Names::read(dir)?, next: 0, meta: Meta::of(dir)?, state })
    }

    fn next_name(&mut self) -> Option<OsString> {
        let name = self.names.get(self.next)?;
        self.next += 1;
        Some(name.name.to_owned())
    }

    /// The directory as it is with nothing beneath: with the attributes of its
    /// entry, which it has, or without an entry those of any such directory.
    fn settle(&self, dir: BorrowedFd<'_>) -> Result<()> {
        let (atime, mtime) = match self.state {
            None => return Ok(()),
            Some(State::Named) => (self.meta.atime, self.meta.mtime),
            Some(State::Passed) => {
                attributes::imply(dir, self.meta, true)?;
                Default::default()
            }
        };
        at::set_times(dir, atime, mtime).failing(Op::Apply, "set the directory's times")
    }
}

impl Purge<'_> {
    fn run(mut self) -> Result<()> {
        loop {
            if let Some(name) = self.descent.data_mut().next_name() {
                self.child(name)?;
                continue;
            }
            self.descent.data().settle(self.descent.dir())?;
            if self.descent.pop().doing_to(Op::Apply, "go up a directory", || &self.path)?.is_none()
            {
                return Ok(());
            }
        }
    }

    fn child(&mut self, name: OsString) -> Result<()> {
        let path =
            self.path.components().map(std::path::Component::as_os_str).filter(|c| *c != ".");
        let state = self.placed.get(path.chain(self.descent.names()).chain([name.as_os_str()]));
        let visit = || -> std::io::Result<Option<OwnedFd>> {
            if state.is_none() {
                fault::point("archive.apply.remove")?;
                at::remove_tree(self.descent.dir(), &name)?;
                return Ok(None);
            }
            match at::open_dir(self.descent.dir(), &name) {
                Ok(dir) => Ok(Some(dir)),
                Err(Errno::NOTDIR | Errno::LOOP) => Ok(None),
                Err(e) => Err(e.into()),
            }
        };
        let visited = visit().doing_to(Op::Apply, "remove what was there", || self.join(&name))?;
        if let Some(dir) = visited {
            let level = Level::read(&dir, state);
            let level = level.doing_to(Op::Apply, "read the directory", || self.join(&name))?;
            let pushed = self.descent.push(name, dir, level);
            pushed.doing_to(Op::Apply, "keep the directory", || &self.path)?;
        }
        Ok(())
    }

    fn join(&self, name: &OsStr) -> PathBuf {
        Path::new(&self.path).join(self.descent.join(name))
    }
}
