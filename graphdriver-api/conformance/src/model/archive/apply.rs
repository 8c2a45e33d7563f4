//! Applies an archive to a tree.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use graphdriver_api::{Error, ErrorKind, Op, Result};

use super::entry::{Entry, Names, shown};
use super::read::Archive;
use crate::model::fault::Fault;
use crate::snapshot::Timestamp;
use crate::tree::{Body, Ino, Mtime, Node, Tree};

/// What an archive is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Footing {
    /// The whole tree.
    Known,
    /// The tree of earlier archives, on a parent that comes later: whatever
    /// would have to be looked up there is refused.
    Deferred,
}

/// Makes of `tree` what it is with the archive's changes.
pub(in super::super) fn apply(
    tree: &mut Tree,
    archive: &Archive,
    footing: Footing,
    fault: Option<Fault>,
) -> Result<()> {
    let mut apply = Apply { tree, footing, fault };
    // Markers come first, wherever they stand: they hide what is below, and
    // nothing that their own archive makes. On an unknown parent there is
    // nothing to hide yet, only to look whether they could be done.
    let first = |entry: &&Entry| apply_first(entry, fault) == (footing == Footing::Known);
    let (first, second): (Vec<_>, Vec<_>) = archive.entries.iter().partition(first);
    first.into_iter().chain(second).try_for_each(|entry| apply.one(entry))
}

/// How many of the archive's regular files don't have their bytes at their path
/// in `tree`, to which it was applied.
pub(in super::super) fn misplaced(tree: &mut Tree, archive: &Archive) -> u64 {
    let apply = Apply { tree, footing: Footing::Known, fault: None };
    archive.entries.iter().map(|entry| u64::from(!apply.is_in_place(entry))).sum()
}

fn apply_first(entry: &Entry, fault: Option<Fault>) -> bool {
    match entry {
        Entry::Whiteout(_) => fault != Some(Fault::ApplyWhiteoutsOwnEntries),
        Entry::Opaque(_) => fault != Some(Fault::ApplyOpaqueByOrder),
        Entry::Node(..) | Entry::Link(..) => false,
    }
}

struct Apply<'a> {
    tree: &'a mut Tree,
    footing: Footing,
    fault: Option<Fault>,
}

impl Apply<'_> {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn one(&mut self, entry: &Entry) -> Result<()> {
        match entry {
            Entry::Node(at, node) => self.node(at, node),
            Entry::Link(at, target) => self.link(at, target),
            Entry::Whiteout(at) => self.whiteout(at),
            Entry::Opaque(at) => self.opaque(at),
        }
    }

    fn is_in_place(&self, entry: &Entry) -> bool {
        let Entry::Node(at, node) = entry else { return true };
        let (Body::File(bytes), Some((name, above))) = (&node.body, at.split_last()) else {
            return true;
        };
        let dir = self.resolve(at, above).ok().flatten();
        let there = dir.and_then(|dir| self.tree.node(self.child(dir, name)?));
        there.is_some_and(
            |there| matches!(&there.body, Body::File(found) if found.content() == bytes.content()),
        )
    }

    fn node(&mut self, at: &Names, node: &Node) -> Result<()> {
        let Some((name, above)) = at.split_last() else {
            if !node.is_directory() {
                return Err(bad(at, "the root can only be a directory"));
            }
            let root = self.lookup(&[])?;
            return fits(at, self.tree.set_attributes(root, node));
        };
        let special =
            matches!(node.body, Body::Fifo | Body::CharDevice(..) | Body::BlockDevice(..));
        if special && self.has(Fault::ApplySkipsSpecialFiles) {
            return Ok(());
        }
        let dir = self.parents(at, above)?;
        let there = self.child(dir, name);
        let merges = node.is_directory() && there.is_some_and(|ino| self.is_directory(ino));
        match there {
            Some(ino) if merges => {
                if self.has(Fault::ApplyEmptiesDirectories) {
                    self.empty(at, ino)?;
                }
                fits(at, self.tree.set_attributes(ino, node))
            }
            _ => {
                fits(at, self.tree.put(dir, name, node.clone()))?;
                self.entered(at, dir)
            }
        }
    }

    fn link(&mut self, at: &Names, target: &Names) -> Result<()> {
        let Some((name, above)) = at.split_last() else {
            return Err(bad(at, "the root can only be a directory"));
        };
        let target = self.target(at, target)?;
        let dir = self.parents(at, above)?;
        if self.has(Fault::ApplyCopiesHardLinks) {
            let copy = self.tree.node(target).cloned();
            return match copy {
                Some(copy) => fits(at, self.tree.put(dir, name, copy)).map(|_| ()),
                None => Ok(()),
            };
        }
        fits(at, self.tree.put_link(dir, name, target))?;
        self.entered(at, dir)
    }

    /// The file that a hard link is to be another name of.
    fn target(&self, at: &Names, target: &Names) -> Result<Ino> {
        let missing = || match self.footing {
            Footing::Known => {
                bad(at, format!("it is a hard link to {:?}, which isn't there", shown(target)))
            }
            Footing::Deferred => needs_parent(at),
        };
        let (name, above) = target.split_last().ok_or_else(missing)?;
        let dir = self.resolve(at, above)?.ok_or_else(missing)?;
        let found = self.child(dir, name).ok_or_else(missing)?;
        if self.is_directory(found) {
            return Err(bad(at, "it is a hard link to a directory"));
        }
        Ok(found)
    }

    fn whiteout(&mut self, at: &Names) -> Result<()> {
        let Some((name, above)) = at.split_last() else { return Ok(()) };
        match self.hides_in(at, above)? {
            Some(dir) => {
                fits(at, self.tree.drop_name(dir, name))?;
                self.entered(at, dir)
            }
            None => Ok(()),
        }
    }

    fn opaque(&mut self, at: &Names) -> Result<()> {
        match self.hides_in(at, at)? {
            Some(dir) if !self.has(Fault::ApplyIgnoresOpaque) => self.empty(at, dir),
            _ => Ok(()),
        }
    }

    /// The directory in which a marker hides something; `None` if there is
    /// none: then it hides nothing.
    fn hides_in(&self, at: &Names, names: &[OsString]) -> Result<Option<Ino>> {
        let found = self.resolve(at, names);
        match self.footing {
            Footing::Known => Ok(found.unwrap_or_default()),
            Footing::Deferred if found?.is_none() => Err(needs_parent(at)),
            Footing::Deferred => Ok(None),
        }
    }

    /// Removes what is in a directory.
    fn empty(&mut self, at: &Names, dir: Ino) -> Result<()> {
        let inside: Vec<OsString> =
            self.tree.children(dir).map(|(name, _)| name.to_owned()).collect();
        inside.iter().try_for_each(|name| fits(at, self.tree.drop_name(dir, name)))
    }

    /// Nothing, unless it is to be done wrong.
    fn entered(&mut self, at: &Names, dir: Ino) -> Result<()> {
        if !self.has(Fault::ApplyTouchesDirectories) {
            return Ok(());
        }
        let Some(mut node) = self.tree.node(dir).cloned() else { return Ok(()) };
        node.mtime = Mtime::at(Timestamp { sec: 1_700_000_000, nsec: 1 });
        fits(at, self.tree.set_attributes(dir, &node))
    }

    /// The directory with those names, made where it isn't there.
    fn parents(&mut self, at: &Names, above: &[OsString]) -> Result<Ino> {
        let mut walk = Walk::new(self.lookup(&[])?, above);
        while let Some(step) = walk.next(at, self.tree)? {
            if let Step::Missing(dir, name) = step {
                if self.footing == Footing::Deferred {
                    return Err(needs_parent(at));
                }
                let mode = if self.has(Fault::ApplyHidesImpliedParents) { 0o700 } else { 0o755 };
                let time = Mtime::at(Timestamp::default());
                let node = Node::new(Body::Directory(BTreeMap::new()), mode, time);
                let made = fits(at, self.tree.put(dir, &name, node))?;
                walk.enter(dir, made);
            } else if let Step::Link(dir, name) = step
                && self.has(Fault::ApplyReplacesLinksOnTheWay)
            {
                let time = Mtime::at(Timestamp::default());
                let node = Node::new(Body::Directory(BTreeMap::new()), 0o755, time);
                let made = fits(at, self.tree.put(dir, &name, node))?;
                walk.replaced(dir, made);
            }
        }
        Ok(walk.dir())
    }

    /// The directory with those names, if it is there.
    fn resolve(&self, at: &Names, names: &[OsString]) -> Result<Option<Ino>> {
        let mut walk = Walk::new(self.lookup(&[])?, names);
        while let Some(step) = walk.next(at, self.tree)? {
            if let Step::Missing(..) = step {
                return Ok(None);
            }
        }
        Ok(Some(walk.dir()))
    }

    fn lookup(&self, names: &[OsString]) -> Result<Ino> {
        fits(names, self.tree.lookup(&shown(names)))
    }

    fn child(&self, dir: Ino, name: &OsStr) -> Option<Ino> {
        self.tree.node(dir)?.names()?.get(name).copied()
    }

    fn is_directory(&self, ino: Ino) -> bool {
        self.tree.node(ino).is_some_and(Node::is_directory)
    }
}

/// What a walk meets.
enum Step {
    /// It has entered a directory.
    Entered,
    /// There is nothing of that name in that directory.
    Missing(Ino, OsString),
    /// It has met a symbolic link of that name, and follows it.
    Link(Ino, OsString),
}

/// Walks down names, following symbolic links as a process would whose root
/// the tree's root is.
struct Walk {
    stack: Vec<Ino>,
    /// Names to come, each with whether a link's target has it.
    rest: Rest,
    links: u32,
    before_link: (Vec<Ino>, Rest),
}

type Rest = VecDeque<(OsString, bool)>;

impl Walk {
    fn new(root: Ino, names: &[OsString]) -> Self {
        let rest = names.iter().map(|name| (name.clone(), false)).collect();
        Self { stack: vec![root], rest, links: 0, before_link: Default::default() }
    }

    /// Where it has got to.
    fn dir(&self) -> Ino {
        self.stack.last().copied().unwrap_or(Ino::ROOT)
    }

    fn enter(&mut self, parent: Ino, dir: Ino) {
        if self.dir() == parent {
            self.stack.push(dir);
        }
    }

    /// Goes on as if the link that was met last had been this directory.
    fn replaced(&mut self, parent: Ino, dir: Ino) {
        (self.stack, self.rest) = std::mem::take(&mut self.before_link);
        self.enter(parent, dir);
    }

    fn next(&mut self, at: &[OsString], tree: &Tree) -> Result<Option<Step>> {
        let Some((name, of_link)) = self.rest.pop_front() else { return Ok(None) };
        if name == ".." {
            if self.stack.len() > 1 {
                self.stack.pop();
            }
            return Ok(Some(Step::Entered));
        }
        let dir = self.dir();
        let found = tree.node(dir).and_then(Node::names).and_then(|names| names.get(&name));
        let Some((ino, node)) = found.and_then(|ino| Some((*ino, tree.node(*ino)?))) else {
            if of_link {
                return Err(bad(at, "a symbolic link on the way leads nowhere"));
            }
            return Ok(Some(Step::Missing(dir, name)));
        };
        match &node.body {
            Body::Directory(_) => self.stack.push(ino),
            Body::Symlink(target) => {
                self.links += 1;
                if self.links > 40 {
                    return Err(bad(at, "there are too many symbolic links on the way"));
                }
                self.before_link = (self.stack.clone(), self.rest.clone());
                self.follow(target);
                return Ok(Some(Step::Link(dir, name)));
            }
            _ => return Err(bad(at, "what is above it isn't a directory")),
        }
        Ok(Some(Step::Entered))
    }

    fn follow(&mut self, target: &OsStr) {
        for component in Path::new(target).components().rev() {
            match component {
                Component::Normal(name) => self.rest.push_front((name.to_owned(), true)),
                Component::ParentDir => self.rest.push_front(("..".into(), true)),
                Component::RootDir => self.stack.truncate(1),
                Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }
}

fn bad(at: &[OsString], rule: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    super::entry::bad(shown(at).as_os_str().as_bytes(), rule)
}

fn needs_parent(at: &[OsString]) -> Error {
    let why = "the entry refers to what its parent layer has";
    Error::new(ErrorKind::NeedsParent, Op::Apply, why).with_path(shown(at))
}

/// What a tree refuses can only be an entry's fault.
fn fits<T>(at: &[OsString], outcome: crate::tree::Outcome<T>) -> Result<T> {
    outcome.map_err(|errno| bad(at, "the entry doesn't fit the tree").with_source(errno))
}
