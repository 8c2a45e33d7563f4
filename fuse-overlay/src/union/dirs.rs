//! Directories of the layers, open to find things in.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;

use super::Union;
use crate::Result;
use crate::layer::{LowerPath, open_dir};
use crate::node::{Id, LowerDir, Name, Node, ROOT};

/// Which directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A node's in the upper layer.
    Upper(Id),
    /// A layer's, by the address of its path.
    Lower(u16, Held),
}

/// A path as a key: the same object is the same path, and it isn't freed while
/// it is a key.
#[derive(Debug, Clone)]
pub(crate) struct Held(Arc<LowerPath>);

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Held {}

impl std::hash::Hash for Held {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Union {
    /// The directory whose attributes a node shows: the upper one, else the
    /// uppermost below.
    pub(crate) fn directory(&self, node: &Arc<Node>) -> Result<Arc<OwnedFd>> {
        if node.is_upper() {
            return self.upper_dir(node);
        }
        let lowers = node.lowers();
        self.lower_dir(lowers.first().ok_or(Errno::STALE)?)
    }

    /// A directory of a lower layer.
    ///
    /// Cost: nothing if it is open; else a system call for each directory above
    /// it that isn't.
    pub(crate) fn lower_dir(&self, dir: &LowerDir) -> Result<Arc<OwnedFd>> {
        let mut missing = Vec::new();
        let mut next = dir.path.as_ref();
        let mut fd = loop {
            let Some(path) = next else { break self.lower_root(dir.layer)? };
            let key = Key::Lower(dir.layer, Held(path.clone()));
            if let Some(fd) = self.dirs.get(&key) {
                break fd;
            }
            missing.push(path);
            next = path.above();
        };
        for path in missing.into_iter().rev() {
            fd = Arc::new(open_dir(&fd, path.name())?);
            self.dirs.put(Key::Lower(dir.layer, Held(path.clone())), fd.clone());
        }
        Ok(fd)
    }

    fn lower_root(&self, layer: u16) -> Result<Arc<OwnedFd>> {
        self.lowers.get(usize::from(layer)).cloned().ok_or(Errno::STALE)
    }

    /// A node's directory in the upper layer, where it must be. The caller holds
    /// the places.
    pub(crate) fn upper_dir(&self, node: &Arc<Node>) -> Result<Arc<OwnedFd>> {
        let mut missing: Vec<(Id, Name)> = Vec::new();
        let mut at = node.clone();
        let mut fd = loop {
            if at.id == ROOT {
                break self.upper()?.root.clone();
            }
            if let Some(fd) = self.dirs.get(&Key::Upper(at.id)) {
                break fd;
            }
            let state = at.state();
            if let Some(held) = &state.held {
                break held.clone();
            }
            let name = state.name().cloned().ok_or(Errno::STALE)?;
            drop(state);
            let parent = name.parent.clone();
            missing.push((at.id, name));
            at = parent;
        };
        for (id, name) in missing.into_iter().rev() {
            fd = Arc::new(open_dir(&fd, &name.name)?);
            self.dirs.put(Key::Upper(id), fd.clone());
        }
        Ok(fd)
    }

    /// The node's directory in the upper layer is another one from now on, or
    /// none.
    pub(crate) fn forget_dir(&self, id: Id) {
        self.dirs.forget(&Key::Upper(id));
    }
}
