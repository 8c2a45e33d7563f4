//! A POSIX file tree in memory: what Linux would make of a series of
//! operations, error numbers included, without touching a file system.
//!
//! It judges real trees, so it shares no code with any driver. Its rules are
//! those of the system calls' manual pages, and where [`Rules`] says so, those
//! of a union file system instead.

mod attributes;
mod bytes;
mod changes;
mod content;
mod disk;
mod names;
mod node;
mod rename;
mod view;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path};
use std::sync::Arc;

use graphdriver_api::Traits;
use rustix::io::Errno;

use crate::snapshot::Timestamp;

pub use bytes::Bytes;
pub use changes::{Changes, changes};
pub(crate) use disk::set_time;
pub use node::{Below, Body, Ino, Mtime, Node};
pub use rename::Rename;

/// The answer to what nobody should try for real: opening a device, writing
/// through a mapping behind a file's end (a mapping can't make it longer), and
/// what file systems are known to disagree about.
pub const NOT_TRIED: Errno = Errno::CANCELED;

/// What an operation answers.
pub type Outcome<T = ()> = Result<T, Errno>;

/// Where real trees may differ from POSIX: the file system's half of
/// [`Traits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// [`Traits::directory_rename`].
    pub directory_rename: bool,
    /// [`Traits::longest_moved_path`]; none above `usize::MAX`.
    pub longest_moved_path: usize,
    /// [`Traits::hard_links_survive_write`].
    pub hard_links_survive_write: bool,
    /// [`Traits::zero_device`].
    pub zero_device: bool,
}

impl Rules {
    /// As the manual pages say.
    pub const POSIX: Self = Self {
        directory_rename: true,
        longest_moved_path: usize::MAX,
        hard_links_survive_write: true,
        zero_device: true,
    };
}

impl From<&Traits> for Rules {
    fn from(traits: &Traits) -> Self {
        Self {
            directory_rename: traits.directory_rename,
            longest_moved_path: traits
                .longest_moved_path
                .and_then(|longest| usize::try_from(longest.get()).ok())
                .unwrap_or(usize::MAX),
            hard_links_survive_write: traits.hard_links_survive_write,
            zero_device: traits.zero_device,
        }
    }
}

/// A file tree. Cloning it is cheap: the clone shares every file until one of
/// the two changes it.
///
/// Paths are relative to its root and resolved without following symbolic
/// links: one on the way is `ELOOP`, as openat2(2) with `RESOLVE_NO_SYMLINKS`
/// answers. The empty path and `.` are the root.
#[derive(Debug, Clone)]
pub struct Tree {
    nodes: BTreeMap<Ino, Arc<Node>>,
    next: u64,
    /// The step that `now` means, see [`Mtime`].
    step: u32,
    rules: Rules,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// The empty tree: a root directory 0755, 0:0, of time 0.
    #[must_use]
    pub fn new() -> Self {
        let time = Mtime::at(Timestamp::default());
        let root = Node::new(Body::Directory(BTreeMap::new()), 0o755, time);
        Self {
            nodes: BTreeMap::from([(Ino::ROOT, Arc::new(root))]),
            next: 1,
            step: 0,
            rules: Rules::POSIX,
        }
    }

    /// The same tree under other rules.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// The tree of a draft on this one, which is now a layer: everything in it
    /// comes from below.
    #[must_use]
    pub fn child(&self) -> Self {
        let mut child = self.clone();
        for (path, ino) in self.paths() {
            if let Some(node) = child.nodes.get_mut(&ino) {
                let (names, path) = (node.nlink, path.as_os_str().len());
                Arc::make_mut(node).below = Some(Below { names, path });
            }
        }
        child
    }

    /// Says when the root was modified.
    pub(crate) fn set_root_mtime(&mut self, mtime: Mtime) {
        if let Some(root) = self.nodes.get_mut(&Ino::ROOT) {
            Arc::make_mut(root).mtime = mtime;
        }
    }

    /// What `now` means from here on: the number of a step, of which somebody
    /// else knows when it happened.
    pub fn set_step(&mut self, step: u32) {
        self.step = step;
    }

    /// The file at `path`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`.
    pub fn lookup(&self, path: &Path) -> Outcome<Ino> {
        match self.split(path)? {
            None => Ok(Ino::ROOT),
            Some(place) => self.child_of(place.dir, place.name).ok_or(Errno::NOENT),
        }
    }

    /// A file by its number.
    #[must_use]
    pub fn node(&self, ino: Ino) -> Option<&Node> {
        self.nodes.get(&ino).map(Arc::as_ref)
    }

    /// What is at `path`.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup).
    pub fn get(&self, path: &Path) -> Outcome<&Node> {
        let ino = self.lookup(path)?;
        self.node(ino).ok_or(Errno::NOENT)
    }

    /// How many files there are, the root counted, names not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it has nothing but its root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    /// Every file, in no order that means anything.
    pub fn files(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().map(Arc::as_ref)
    }

    /// The names in a directory, sorted; nothing for anything else.
    pub fn children(&self, dir: Ino) -> impl Iterator<Item = (&OsStr, Ino)> {
        let names = self.nodes.get(&dir).and_then(|node| node.names());
        names.into_iter().flatten().map(|(name, ino)| (name.as_os_str(), *ino))
    }

    fn child_of(&self, dir: Ino, name: &OsStr) -> Option<Ino> {
        self.nodes.get(&dir)?.names()?.get(name).copied()
    }

    /// Splits a path into the directory that its last name is in, and that
    /// name; `None` for the root.
    fn split<'a>(&self, path: &'a Path) -> Outcome<Option<Place<'a>>> {
        let mut names = path.components().filter_map(|c| match c {
            Component::Normal(name) => Some(name),
            _ => None,
        });
        let Some(name) = names.next_back() else { return Ok(None) };
        let mut above = vec![Ino::ROOT];
        let mut dir = Ino::ROOT;
        for step in names {
            dir = self.enter(dir, step)?;
            above.push(dir);
        }
        if name.len() > 255 {
            return Err(Errno::NAMETOOLONG);
        }
        Ok(Some(Place { dir, name, above }))
    }

    /// As `split`, where the root isn't an answer.
    fn place<'a>(&self, path: &'a Path) -> Outcome<Place<'a>> {
        self.split(path)?.ok_or(Errno::BUSY)
    }

    fn enter(&self, dir: Ino, name: &OsStr) -> Outcome<Ino> {
        if name.len() > 255 {
            return Err(Errno::NAMETOOLONG);
        }
        let ino = self.child_of(dir, name).ok_or(Errno::NOENT)?;
        match self.nodes.get(&ino).map(|n| &n.body) {
            Some(Body::Directory(_)) => Ok(ino),
            Some(Body::Symlink(_)) => Err(Errno::LOOP),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// The file, to be changed. Whoever calls has it from this tree.
    fn node_mut(&mut self, ino: Ino) -> Outcome<&mut Node> {
        self.nodes.get_mut(&ino).map(Arc::make_mut).ok_or(Errno::NOENT)
    }

    fn now(&self) -> Mtime {
        Mtime::now(self.step)
    }

    /// What happens to a directory in which a name comes or goes.
    fn touch(&mut self, dir: Ino) -> Outcome {
        let now = self.now();
        self.node_mut(dir)?.mtime = now;
        Ok(())
    }

    /// Adds a file that has no name yet.
    fn add(&mut self, mut node: Node) -> Ino {
        let ino = Ino(self.next);
        self.next += 1;
        node.nlink = 0;
        self.nodes.insert(ino, Arc::new(node));
        ino
    }

    /// Gives a file a name, in place of nothing.
    fn attach(&mut self, dir: Ino, name: &OsStr, ino: Ino) -> Outcome {
        self.names_mut(dir)?.insert(name.to_owned(), ino);
        self.node_mut(ino)?.nlink += 1;
        Ok(())
    }

    /// Takes a name away, and with the last one the file with all that lies
    /// beneath.
    fn detach(&mut self, dir: Ino, name: &OsStr) -> Outcome {
        let ino = self.names_mut(dir)?.remove(name).ok_or(Errno::NOENT)?;
        let survive = self.rules.hard_links_survive_write;
        let node = self.node_mut(ino)?;
        node.nlink -= 1;
        node.counted &= survive || node.below.is_none();
        if node.nlink == 0 {
            let beneath: Vec<OsString> =
                node.names().into_iter().flatten().map(|(name, _)| name.clone()).collect();
            for name in beneath {
                self.detach(ino, &name)?;
            }
            self.nodes.remove(&ino);
        }
        Ok(())
    }

    fn names_mut(&mut self, dir: Ino) -> Outcome<&mut BTreeMap<OsString, Ino>> {
        match &mut self.node_mut(dir)?.body {
            Body::Directory(names) => Ok(names),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// The file at a place, about to be changed through that name: where hard
    /// links don't survive that, the name has a file of its own from now on.
    fn own(&mut self, place: &Place<'_>) -> Outcome<Ino> {
        let ino = self.child_of(place.dir, place.name).ok_or(Errno::NOENT)?;
        if !self.splits(ino) {
            let node = self.node_mut(ino)?;
            node.counted |= node.nlink == 1;
            return Ok(ino);
        }
        let mut copy = self.node_mut(ino)?.clone();
        (copy.below, copy.counted) = (None, true);
        let copy = self.add(copy);
        self.detach(place.dir, place.name)?;
        self.attach(place.dir, place.name, copy)?;
        Ok(copy)
    }

    /// Whether names of that file become files of their own when they are
    /// changed, which renaming one counts as.
    fn splits(&self, ino: Ino) -> bool {
        let shared = |node: &Node| !node.is_directory() && node.below.is_some_and(|b| b.names > 1);
        !self.rules.hard_links_survive_write && self.node(ino).is_some_and(shared)
    }

    /// The file at `path`, about to be changed through that name.
    fn own_at(&mut self, path: &Path) -> Outcome<Ino> {
        match self.split(path)? {
            None => Ok(Ino::ROOT),
            Some(place) => self.own(&place),
        }
    }
}

/// A name in a directory, and the directories above it from the root.
struct Place<'a> {
    dir: Ino,
    name: &'a OsStr,
    above: Vec<Ino>,
}
