//! Where in the tree we are: the open directories from the root to the parent
//! of the current entry.
//!
//! Archives come mostly in path order, so the way from one entry's parent to
//! the next is short: only the components that differ are opened. The way is
//! always one of real directories: symbolic links on it are followed here,
//! component by component, with the root as the place where `/` and too many
//! `..` lead. So nothing outside can be reached, and a cached directory can't
//! become another one unnoticed.
//!
//! A directory's times are written when it is left: those of its entry if it
//! had one, else those that it had before anything was changed in it.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use graphdriver_api::{Limits, Op, Result};
use rustix::fs::{self, AtFlags, Mode};
use rustix::io::Errno;

use crate::at::xattr::{self, Target};
use crate::at::{self, Context, Descent, Kind, Meta, Names, Time};
use crate::fault;
use crate::whiteout::OverlayFormat;

use super::placed::{Placed, State};
use super::{Beneath, Form, attributes, bad, needs_parent};

/// Symbolic links in one path, as for the kernel (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// An open directory on the way.
pub(super) struct Dir {
    atime: Time,
    mtime: Time,
    /// Whether the times have to be written when it is left.
    dirty: bool,
    /// Whether what is made in it inherits an ACL, which no entry asked for.
    pub(super) gives_acl: bool,
    /// Whether it is noted in [`Below::Tree`].
    noted: bool,
    /// Whether it, or one above, hides whatever is beneath: then what isn't
    /// there isn't there.
    sealed: bool,
}

/// What lies beneath the archive.
pub(super) enum Below {
    /// Nothing: all that is there came from the archive.
    Nothing,
    /// A tree, mixed with what came from the archive.
    Tree(Placed),
    /// A tree that isn't there yet; all that is there came from the archive.
    Unknown(OverlayFormat),
}

/// The tree, and the current directory in it.
pub(super) struct Tree {
    descent: Descent<Dir>,
    pub(super) below: Below,
    limits: Limits,
    /// Directories made without an entry.
    implied: u64,
    /// The last path that led through a symbolic link, and how deep its
    /// directory is: entries beneath a merged `/usr` come in long runs.
    linked: Option<(Vec<OsString>, usize)>,
    /// Whether an entry was reached through a symbolic link.
    through_link: bool,
    /// Whether the archive had brought the current entry's path before.
    again: bool,
    /// As [`Applied::replaced`](graphdriver_api::Applied::replaced).
    pub(super) replaced: u64,
}

/// What a component turned out to be.
enum Found {
    Directory(OwnedFd),
    Link(OsString),
    /// A whiteout of the archive's.
    Hidden,
    Nothing,
    Other,
}

/// What to do about a directory that isn't there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// Make it.
    Make,
    /// Say so: then there is nothing to be hidden, or linked to.
    Tell,
    /// Refuse the entry: it is a link that leads nowhere.
    Refuse,
}

/// The components that are still to be walked, the next one last.
struct Way<'a> {
    rest: Vec<(Cow<'a, OsStr>, Missing)>,
    links: usize,
}

impl Tree {
    pub(super) fn new(root: OwnedFd, form: Form, limits: &Limits) -> Result<Self> {
        let below = match form {
            Form::Upper { beneath: Beneath::Nothing, .. } => Below::Nothing,
            Form::Upper { format, beneath: Beneath::Unknown } => Below::Unknown(format),
            Form::Merged if is_empty(&root)? => Below::Nothing,
            Form::Merged => Below::Tree(Placed::default()),
        };
        let dir = Dir::existing(&root).doing_to(Op::Apply, "look at the directory", || ".")?;
        Ok(Self {
            descent: Descent::new(root, dir),
            below,
            limits: *limits,
            implied: 0,
            linked: None,
            through_link: false,
            again: false,
            replaced: 0,
        })
    }

    /// The current directory.
    pub(super) fn dir(&self) -> BorrowedFd<'_> {
        self.descent.dir()
    }

    /// What is known of the current directory.
    pub(super) fn data(&self) -> &Dir {
        self.descent.data()
    }

    /// The path of the current directory, without symbolic links.
    pub(super) fn path(&self) -> PathBuf {
        self.descent.path()
    }

    /// The path of `name` in the current directory, likewise.
    pub(super) fn join(&self, name: &OsStr) -> PathBuf {
        self.descent.join(name)
    }

    /// Whether the current directory is the root.
    pub(super) fn is_root(&self) -> bool {
        self.descent.depth() == 0
    }

    /// The components of `name` in the current directory.
    pub(super) fn names<'a>(&'a self, name: &'a OsStr) -> impl Iterator<Item = &'a OsStr> {
        self.descent.names().chain([name])
    }

    /// Notes that something in the current directory is about to change.
    pub(super) fn touch(&mut self) {
        self.descent.data_mut().dirty = true;
    }

    /// Makes the directory at `path` the current one. Missing ones are made,
    /// unless what is beneath isn't known.
    pub(super) fn enter(&mut self, path: &[&OsStr]) -> Result<()> {
        self.go_to(path, Missing::Make).map(|_| ())
    }

    /// Makes the directory at `path` the current one, if it is there.
    pub(super) fn find(&mut self, path: &[&OsStr]) -> Result<bool> {
        self.go_to(path, Missing::Tell)
    }

    fn go_to(&mut self, path: &[&OsStr], missing: Missing) -> Result<bool> {
        if let Some((last, depth)) = &self.linked
            && last == path
        {
            return self.leave_to(*depth).map(|()| true);
        }
        self.linked = None;
        let mut way = Way::new(path, missing);
        let found = self.go(&mut way)?;
        if found && way.links > 0 {
            self.through_link = true;
            let path = path.iter().map(|name| (*name).to_owned()).collect();
            self.linked = Some((path, self.descent.depth()));
        }
        Ok(found)
    }

    /// Forgets where a path led, because something on it may be gone.
    pub(super) fn forget_links(&mut self) {
        self.linked = None;
    }

    fn go(&mut self, way: &mut Way<'_>) -> Result<bool> {
        let mut depth: usize = 0;
        while let Some((name, missing)) = way.rest.pop() {
            if name.as_bytes() == b".." {
                depth = depth.saturating_sub(1);
                continue;
            }
            if self.descent.name_at(depth) != Some(&name) {
                self.leave_to(depth)?;
                match self.look(&name)? {
                    Found::Directory(dir) => self.push_existing(&name, dir)?,
                    Found::Link(target) => {
                        if way.follow(&target, missing)? {
                            depth = 0;
                        }
                        continue;
                    }
                    other if !self.absent(&name, &other, missing)? => return Ok(false),
                    _ => {}
                }
            }
            depth += 1;
        }
        self.leave_to(depth).map(|()| true)
    }

    fn look(&self, name: &OsStr) -> Result<Found> {
        match at::open_dir(self.dir(), name) {
            Ok(dir) => return Ok(Found::Directory(dir)),
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            Err(Errno::NOTDIR | Errno::LOOP) => {}
            Err(Errno::NAMETOOLONG) => {
                return Err(bad("a symbolic link with a name that is too long"));
            }
            Err(e) => return Err(e).doing_to(Op::Apply, "open the directory", || self.join(name)),
        }
        let meta = self.meta(name)?;
        if meta.kind == Kind::Symlink {
            let target = at::read_link(self.dir(), name);
            return target
                .map(Found::Link)
                .doing_to(Op::Apply, "read the link", || self.join(name));
        }
        Ok(if self.is_whiteout(name, &meta)? { Found::Hidden } else { Found::Other })
    }

    /// No directory is there: tells whether one was made.
    fn absent(&mut self, name: &OsStr, found: &Found, missing: Missing) -> Result<bool> {
        let hidden = matches!(found, Found::Hidden);
        let nothing = matches!(found, Found::Nothing);
        match missing {
            _ if nothing && self.shows_through() => {
                Err(needs_parent("an entry's parent directory isn't in the archive"))
            }
            Missing::Tell => Ok(false),
            Missing::Make if nothing || hidden => self.imply(name, hidden).map(|()| true),
            Missing::Refuse if nothing || hidden => {
                Err(bad("a path through a symbolic link that leads nowhere"))
            }
            _ => Err(bad("a parent that isn't a directory")),
        }
    }

    /// Whether something that nobody knows yet may be seen in the current
    /// directory.
    pub(super) fn shows_through(&self) -> bool {
        matches!(self.below, Below::Unknown(_)) && !self.data().sealed
    }

    /// Notes that the current directory hides whatever is beneath.
    pub(super) fn seal(&mut self) {
        self.descent.data_mut().sealed = true;
    }

    /// What is at `name` in the current directory.
    pub(super) fn meta(&self, name: &OsStr) -> Result<Meta> {
        Meta::at(self.dir(), name).doing_to(Op::Apply, "look at the file", || self.join(name))
    }

    /// Whether this is a whiteout that the archive has put there.
    pub(super) fn is_whiteout(&self, name: &OsStr, meta: &Meta) -> Result<bool> {
        let Below::Unknown(format) = &self.below else { return Ok(false) };
        format.is_whiteout(self.dir(), name, meta).doing_to(
            Op::Apply,
            "look for a whiteout",
            || self.join(name),
        )
    }

    /// Makes a directory that the archive doesn't name.
    fn imply(&mut self, name: &OsStr, hidden: bool) -> Result<()> {
        self.implied += 1;
        if self.implied > self.limits.entries {
            let limit = self.limits.entries;
            return Err(bad(format!(
                "more than {limit} parent directories without entries (limit entries)"
            )));
        }
        fault::point("archive.apply.parent")
            .doing_to(Op::Apply, "make the directory", || self.path())?;
        let (dir, meta) = self.make_dir(name, hidden)?;
        attributes::imply(dir.as_fd(), meta, false)?;
        self.push(name, dir, Dir { sealed: hidden, ..Dir::made(Time::default(), Time::default()) })
    }

    /// Makes and opens a directory where none is. One that replaces something
    /// that hid what is beneath has to hide it too.
    pub(super) fn make_dir(&mut self, name: &OsStr, hidden: bool) -> Result<(OwnedFd, Meta)> {
        self.touch();
        if hidden {
            self.forget_links();
        }
        let made = || -> rustix::io::Result<(OwnedFd, Meta)> {
            if hidden {
                fs::unlinkat(self.dir(), name, AtFlags::empty())?;
            }
            fs::mkdirat(self.dir(), name, Mode::from_raw_mode(0o755))?;
            let dir = at::open_dir(self.dir(), name)?;
            if let (true, Below::Unknown(format)) = (hidden, &self.below) {
                format.make_opaque(&dir)?;
            }
            if self.data().gives_acl {
                attributes::drop_inherited_acl(Target::open(&dir), Kind::Directory)?;
            }
            let meta = Meta::of(&dir)?;
            Ok((dir, meta))
        };
        made().doing_to(Op::Apply, "make the directory", || self.join(name))
    }

    fn push_existing(&mut self, name: &OsStr, dir: OwnedFd) -> Result<()> {
        let data = self.existing(&dir);
        let data = data.doing_to(Op::Apply, "look at the directory", || self.join(name))?;
        self.push(name, dir, data)
    }

    fn existing(&self, dir: &OwnedFd) -> rustix::io::Result<Dir> {
        let sealed = match &self.below {
            Below::Unknown(format) => format.is_opaque(dir)?,
            _ => false,
        };
        Ok(Dir { sealed, ..Dir::existing(dir)? })
    }

    /// Makes `dir`, which its entry has just made or given new attributes, the
    /// current directory; it gets these times when it is left.
    pub(super) fn push_named(
        &mut self,
        name: &OsStr,
        dir: OwnedFd,
        (atime, mtime): (Time, Time),
        gives_acl: bool,
    ) -> Result<()> {
        let was = self.existing(&dir);
        let was = was.doing_to(Op::Apply, "look at the directory", || self.join(name))?;
        self.push(name, dir, Dir { gives_acl, sealed: was.sealed, ..Dir::made(atime, mtime) })
    }

    fn push(&mut self, name: &OsStr, dir: OwnedFd, mut data: Dir) -> Result<()> {
        data.sealed |= self.data().sealed;
        if self.descent.depth() >= self.limits.depth as usize {
            let limit = self.limits.depth;
            return Err(bad(format!(
                "a path that leads deeper than {limit} directories (limit depth)"
            )));
        }
        let pushed = self.descent.push(name.to_owned(), dir, data);
        pushed.doing_to(Op::Apply, "keep the directory", || self.descent.path())
    }

    /// Goes up until the current directory is `depth` below the root.
    pub(super) fn leave_to(&mut self, depth: usize) -> Result<()> {
        // Where a link led is known by its depth alone, so only while we are
        // there or beneath.
        if self.linked.as_ref().is_some_and(|(_, there)| *there > depth) {
            self.forget_links();
        }
        while self.descent.depth() > depth {
            let here = self.descent.pop();
            let left = here.doing_to(Op::Apply, "go up a directory", || self.descent.path())?;
            if let Some((dir, name, data)) = left {
                data.restore(&dir).doing_to(Op::Apply, "set the directory's times", || {
                    self.descent.join(&name)
                })?;
            }
        }
        Ok(())
    }

    /// The root gets these times at the end.
    pub(super) fn name_root(&mut self, atime: Time, mtime: Time, gives_acl: bool) {
        *self.descent.data_mut() = Dir { gives_acl, ..Dir::made(atime, mtime) };
    }

    /// Notes that the archive brings `name` in the current directory, and so
    /// passes all directories on the way.
    pub(super) fn mark(&mut self, name: &OsStr) {
        let Below::Tree(placed) = &mut self.below else { return };
        let before = placed.insert(self.descent.names().chain([name]), State::Named);
        self.again = before.is_some();
        let dirs = self.descent.data_upwards_mut();
        let news = dirs.map_while(|dir| (!std::mem::replace(&mut dir.noted, true)).then_some(()));
        let news = news.count();
        let depth = self.descent.depth();
        for depth in (depth + 1).saturating_sub(news).max(1)..=depth {
            placed.insert(self.descent.names().take(depth), State::Passed);
        }
    }

    /// Counts that something at `name` in the current directory is about to be
    /// replaced, if that undoes what the archive did.
    pub(super) fn count_replaced(&mut self, name: &OsStr) -> Result<()> {
        let own = match &self.below {
            Below::Nothing => true,
            Below::Tree(_) => self.again,
            Below::Unknown(_) => {
                let meta = self.meta(name)?;
                !self.is_whiteout(name, &meta)?
            }
        };
        self.replaced += u64::from(own);
        Ok(())
    }

    /// Counts that something beneath is about to be removed, if an entry may
    /// have been reached by it: as a symbolic link, or through one within.
    pub(super) fn count_removed(&mut self, name: &OsStr) -> Result<()> {
        if !self.through_link {
            return Ok(());
        }
        let meta = Meta::at(self.dir(), name);
        let may_lead = match meta {
            Ok(meta) => matches!(meta.kind, Kind::Symlink | Kind::Directory),
            Err(Errno::NOENT) => false,
            Err(e) => {
                return Err(e).doing_to(Op::Apply, "look at the file", || self.join(name));
            }
        };
        self.replaced += u64::from(may_lead);
        Ok(())
    }

    /// As [`count_removed`](Self::count_removed), of all in a directory.
    pub(super) fn count_emptied(&mut self) {
        self.replaced += u64::from(self.through_link);
    }

    /// Leaves the last directories.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.leave_to(0)?;
        let root = self.descent.data();
        root.restore(self.descent.dir()).doing_to(Op::Apply, "set the directory's times", || ".")
    }
}

impl Dir {
    /// A directory that was there: it keeps its times.
    fn existing(dir: &OwnedFd) -> rustix::io::Result<Self> {
        let meta = Meta::of(dir)?;
        let gives_acl = xattr::has(Target::open(dir), attributes::default_acl())?;
        let Meta { atime, mtime, .. } = meta;
        Ok(Self { atime, mtime, dirty: false, gives_acl, noted: false, sealed: false })
    }

    /// A directory that was made, or that its entry has given new attributes.
    fn made(atime: Time, mtime: Time) -> Self {
        Self { atime, mtime, dirty: true, gives_acl: false, noted: false, sealed: false }
    }

    fn restore(&self, dir: impl AsFd) -> rustix::io::Result<()> {
        if self.dirty { at::set_times(dir, self.atime, self.mtime) } else { Ok(()) }
    }
}

fn is_empty(root: &OwnedFd) -> Result<bool> {
    let names = Names::read(root).doing_to(Op::Apply, "read the directory", || ".")?;
    Ok(names.is_empty())
}

impl<'a> Way<'a> {
    fn new(path: &[&'a OsStr], missing: Missing) -> Self {
        let rest = path.iter().rev().map(|name| (Cow::Borrowed(*name), missing)).collect();
        Self { rest, links: 0 }
    }

    /// Goes on through the target of a symbolic link; true if it begins at the
    /// root. What an archive lacks is made on its own paths only, not where a
    /// link leads.
    fn follow(&mut self, target: &OsStr, missing: Missing) -> Result<bool> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(bad("a path through too many symbolic links"));
        }
        let missing = if missing == Missing::Tell { missing } else { Missing::Refuse };
        let names = target.as_bytes().split(|byte| *byte == b'/').rev();
        for name in names.filter(|name| !matches!(*name, b"" | b".")) {
            self.rest.push((Cow::Owned(OsStr::from_bytes(name).to_owned()), missing));
        }
        Ok(target.as_bytes().starts_with(b"/"))
    }
}
