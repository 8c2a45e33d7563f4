//! One look at a root: its directories, opened without making any.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use graphdriver_api::{ErrorKind, NodeId, NodeInfo, NodeRef, Result};

use super::super::call::Call;
use super::super::lock::RootLock;
use super::super::record::Record;
use super::super::{NodeStore, disk, format};
use super::found::Found;
use super::records::{Known, bare_info};
use super::{Rules, ground, nodes, standing};

/// A root to be looked at.
pub(super) struct Look<'a> {
    pub(super) rules: &'a Rules,
    pub(super) path: PathBuf,
    pub(super) root: OwnedFd,
    pub(super) lock: RootLock,
}

/// What a look saw.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) found: Vec<Found>,
    pub(super) nodes: Vec<NodeInfo>,
}

impl<'a> Look<'a> {
    /// `None` if there is no root.
    ///
    /// # Errors
    /// `Corrupt` for another driver's, or a newer one.
    pub(super) fn at(call: Call<'_>, path: &Path, rules: &'a Rules) -> Result<Option<Self>> {
        let named = |e: graphdriver_api::Error| e.with_path(path);
        let opened = disk::absent_is_none(disk::open_root(path));
        let Some(root) = opened.map_err(call.io("open the root")).map_err(named)? else {
            return Ok(None);
        };
        format::check_ours(call, &root, &rules.layout).map_err(named)?;
        let own = disk::open_root(path).map_err(call.io("open the root")).map_err(named)?;
        let path = path.canonicalize().map_err(call.io("resolve the root")).map_err(named)?;
        Ok(Some(Self { rules, path, root, lock: RootLock::new(own) }))
    }

    /// The whole structure. The caller holds the root lock.
    pub(super) fn all(&self) -> io::Result<Looked> {
        let mut looked = Looked::default();
        if format::is_unfounded(&self.root)? {
            // Somebody is about to make it a root, and waits for the lock.
            return Ok(looked);
        }
        looked.found.extend(ground::look(self)?);
        let known = Known::read(self)?;
        looked.found.extend(nodes::look(self, &known)?);
        if let Some(store) = self.store()? {
            looked.found.extend(standing::look(self, &store, &known)?);
        }
        looked.found.extend(self.rules.own.root(self.root.as_fd())?);
        looked.nodes = self.infos(&known)?;
        Ok(looked)
    }

    fn infos(&self, known: &Known) -> io::Result<Vec<NodeInfo>> {
        let store = self.store()?;
        let info =
            |(id, record): (&NodeId, &Record)| match store.as_ref().map(|s| s.stat(id.as_ref())) {
                None => Ok(bare_info(id, record)),
                // Its ticket, and a finding of its own.
                Some(Err(e)) if e.kind() == ErrorKind::Corrupt => Ok(bare_info(id, record)),
                // Left out, it couldn't be told from one that is missing.
                Some(info) => info.map_err(io::Error::other),
            };
        known.readable().map(info).collect()
    }

    /// The store, if all its directories are there, and nothing recovered.
    pub(super) fn store(&self) -> io::Result<Option<NodeStore>> {
        let root = disk::open_dir(&self.root, ".")?;
        let lock = RootLock::new(disk::open_dir(&self.root, ".")?);
        disk::absent_is_none(format::assemble(self.rules.layout, self.path.clone(), root, lock))
    }

    /// A directory of the store's own; `None` if it is missing.
    pub(super) fn shelf(&self, name: &str) -> io::Result<Option<OwnedFd>> {
        match disk::open_dir(&self.root, name) {
            Err(e) if is_no_dir(&e) => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// A node's directory; `None` if it isn't there.
    pub(super) fn open_node(&self, node: NodeRef<'_>) -> io::Result<Option<OwnedFd>> {
        match self.shelf(shelf_of(node))? {
            Some(shelf) => disk::find_dir(shelf, node.as_str()),
            None => Ok(None),
        }
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

/// Nothing, or something that is no directory.
pub(super) fn is_no_dir(e: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(e), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// The directory in which nodes of that kind of id stand.
pub(super) fn shelf_of(node: NodeRef<'_>) -> &'static str {
    match node {
        NodeRef::Draft(_) => "drafts",
        NodeRef::Layer(_) => "layers",
    }
}

/// A node's directory, relative to the root.
pub(super) fn path_of(node: NodeRef<'_>) -> PathBuf {
    Path::new(shelf_of(node)).join(node.as_str())
}
