//! What the kernel knows by a number.

mod identity;
mod table;

pub(crate) use identity::{Devices, Identity, Lasting};
pub(crate) use table::{Table, root};

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::layer::{Kind, LowerPath};
use crate::lock;
use crate::union::Indexed;

/// The number of a node.
pub(crate) type Id = u64;

/// The root's, by the FUSE protocol.
pub(crate) const ROOT: Id = 1;

/// A name in the union.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) parent: Arc<Node>,
    pub(crate) name: Arc<OsStr>,
}

impl Name {
    fn is(&self, parent: &Node, name: &OsStr) -> bool {
        self.parent.id == parent.id && *self.name == *name
    }
}

/// A file or directory of the union. Its number and its type never change;
/// where its data is does, once, when it is copied up.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: Id,
    pub(crate) kind: Kind,
    /// How often the kernel was told of it and hasn't forgotten it since.
    lookups: AtomicU64,
    state: Mutex<State>,
    /// Held by whoever copies it up.
    pub(crate) copying: Mutex<()>,
}

/// What can change of a node.
#[derive(Debug)]
pub(crate) struct State {
    /// What it is called, as far as anybody asked. The last one is used.
    names: Vec<Name>,
    /// Whether it is in the upper layer, under the same names as in the union.
    pub(crate) upper: bool,
    /// The number that it has there.
    pub(crate) upper_ino: u64,
    /// Where its copy is in the index, if it is there.
    pub(crate) indexed: Option<Indexed>,
    /// What there is of it in the layers below.
    pub(crate) lower: Lower,
    /// The file itself, once no name is left that would lead to it.
    pub(crate) held: Option<Arc<OwnedFd>>,
    /// How many names the copy in the index has in the union.
    names_in_union: i64,
    /// How many names it has, if its layer can't tell: some of a lower file's
    /// are hidden, or lead to the copy.
    links: Option<u32>,
}

/// What is in the layers below.
#[derive(Debug, Clone)]
pub(crate) enum Lower {
    /// Nothing, or nothing that matters any more.
    Nothing,
    /// A file, or the data of one.
    File(LowerFile),
    /// Directories that are merged, the uppermost first.
    Directories(Arc<[LowerDir]>),
}

/// A file of a lower layer.
#[derive(Debug, Clone)]
pub(crate) struct LowerFile {
    pub(crate) dir: LowerDir,
    pub(crate) name: Arc<OsStr>,
}

/// A directory of a lower layer; `None` is the layer's root.
#[derive(Debug, Clone)]
pub(crate) struct LowerDir {
    pub(crate) layer: u16,
    pub(crate) path: Option<Arc<LowerPath>>,
}

impl Node {
    /// `upper` is the number that it has in the upper layer, if it is there.
    pub(crate) fn new(
        id: Id,
        kind: Kind,
        name: Option<Name>,
        upper: Option<u64>,
        lower: Lower,
    ) -> Self {
        let names = name.into_iter().collect();
        let (upper, upper_ino) = (upper.is_some(), upper.unwrap_or_default());
        let state = Mutex::new(State {
            names,
            upper,
            upper_ino,
            lower,
            indexed: None,
            held: None,
            names_in_union: 0,
            links: None,
        });
        Self { id, kind, lookups: AtomicU64::new(0), state, copying: Mutex::new(()) }
    }

    /// What can change of it. A leaf among the locks: nothing is called and no
    /// other lock taken while it is held.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// The directories below that are merged in it.
    pub(crate) fn lowers(&self) -> Arc<[LowerDir]> {
        match &self.state().lower {
            Lower::Directories(dirs) => dirs.clone(),
            _ => Arc::from([]),
        }
    }

    /// The lower file that has the content of this upper one.
    pub(crate) fn data_below(&self) -> Option<LowerFile> {
        let state = self.state();
        match &state.lower {
            Lower::File(file) if state.upper => Some(file.clone()),
            _ => None,
        }
    }

    pub(crate) fn is_upper(&self) -> bool {
        self.state().upper
    }

    /// Whether it is the file that was found: in the upper layer with that
    /// number, or in a lower one. What was copied up is still the file that its
    /// other names below lead to.
    pub(crate) fn is(&self, upper: Option<u64>) -> bool {
        let state = self.state();
        match upper {
            Some(ino) => state.upper && state.upper_ino == ino,
            // A copy that no name leads to is a file of its own.
            None => state.held.is_none(),
        }
    }

    fn told(&self) {
        self.lookups.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the kernel knows nothing of it any more.
    fn forgotten(&self, times: u64) -> bool {
        let less = |known: u64| Some(known.saturating_sub(times));
        let before = self.lookups.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        before.is_ok_and(|before| before <= times)
    }
}

impl State {
    /// A name of it, if one is left.
    pub(crate) fn name(&self) -> Option<&Name> {
        self.names.last()
    }

    /// The name that is used, and all others.
    pub(crate) fn all_names(&self) -> (Option<Name>, Vec<Name>) {
        let mut others = self.names.clone();
        (others.pop(), others)
    }

    /// It was found under that name, in the upper layer or below. What is in the
    /// upper layer is reached by the names that it has there.
    pub(crate) fn seen_as(&mut self, parent: &Arc<Node>, name: &Arc<OsStr>, upper: bool) {
        if upper == self.upper {
            self.add_name(parent, name);
            // Held for want of a name that leads to it.
            self.held = None;
        }
    }

    /// It is in the upper layer now, under this name only.
    pub(crate) fn came_up(&mut self, upper_ino: u64, name: Option<Name>) {
        self.upper = true;
        self.upper_ino = upper_ino;
        self.names = name.into_iter().collect();
    }

    /// It was found, or put, under that name too.
    pub(crate) fn add_name(&mut self, parent: &Arc<Node>, name: &Arc<OsStr>) {
        if !self.names.iter().any(|known| known.is(parent, name)) {
            self.names.push(Name { parent: parent.clone(), name: name.clone() });
        }
    }

    /// How many names it has, of which its layer says `real`.
    pub(crate) fn links(&self, real: u32) -> u32 {
        let indexed = self.indexed.as_ref().map(|indexed| i64::from(real) + indexed.more);
        let indexed = indexed.map(|links| u32::try_from(links.max(0)).unwrap_or(u32::MAX));
        indexed.or(self.links).unwrap_or(real)
    }

    /// How many names the copy in the index has in the union.
    pub(crate) fn indexed_names(&self) -> i64 {
        self.names_in_union
    }

    /// It is in the index, with so many names in the union.
    pub(crate) fn index_at(&mut self, indexed: Indexed, names: i64) {
        self.indexed = Some(indexed);
        self.names_in_union = names;
    }

    /// It has no name any more, and what there is of it is this.
    pub(crate) fn leave_index(&mut self, held: Arc<OwnedFd>) {
        self.indexed = None;
        self.held = Some(held);
        self.links = Some(0);
    }

    /// From now on names are counted here, beginning with `real`. Whether they
    /// weren't before.
    pub(crate) fn count_links(&mut self, real: u32) -> bool {
        let first = self.links.is_none();
        self.links.get_or_insert(real);
        first
    }

    /// One name more, or less.
    pub(crate) fn one_link(&mut self, more: bool) {
        let changed =
            |links: u32| if more { links.saturating_add(1) } else { links.saturating_sub(1) };
        self.links = self.links.map(changed);
    }

    /// It isn't called so any more.
    pub(crate) fn drop_name(&mut self, parent: &Node, name: &OsStr) {
        self.names.retain(|known| !known.is(parent, name));
    }
}

impl Drop for Node {
    /// Not by recursion: a node holds the directory it is in, and a tree can be
    /// deeper than a stack.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut names = std::mem::take(&mut state.names);
        while let Some(name) = names.pop() {
            if let Some(mut parent) = Arc::into_inner(name.parent) {
                let state =
                    parent.state.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
                names.append(&mut state.names);
            }
        }
    }
}
