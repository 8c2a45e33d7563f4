//! The layers put together.

mod dirs;
mod find;
mod index;
mod origin;
mod owners;
mod roots;
mod settings;
mod work;

pub(crate) use find::Found;
pub(crate) use index::Indexed;
pub use owners::Owners;
pub use settings::{Paths, Settings, has_privileges};
pub(crate) use work::{Work, clear, exchange};

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rustix::io::Errno;

use crate::fds::Fds;
use crate::format::Marks;
use crate::layer::Object;
use crate::node::{self, Lower, LowerDir, Node, Table};
use crate::{Result, ops};

/// A union of directories, ready to answer.
#[derive(Debug)]
pub struct Union {
    pub(crate) settings: Settings,
    /// The layers below, the uppermost first.
    lowers: Vec<Arc<OwnedFd>>,
    /// What each lies on.
    homes: Vec<origin::Home>,
    /// The layer that takes changes, if there is one.
    upper: Option<Upper>,
    pub(crate) table: Table,
    /// Directories that are open to find things in.
    dirs: Fds<dirs::Key>,
    /// Files that are open to be read or written.
    pub(crate) files: Fds<ops::FileKey>,
    /// Held for reading while a path in the upper layer is made use of, and for
    /// writing by what changes where nodes are: renaming.
    places: RwLock<()>,
    pub(crate) streams: ops::Streams,
    /// Counts what gets a name of ours in the work directory.
    names: AtomicU64,
}

/// The layer that takes changes, and its workshop.
#[derive(Debug)]
pub(crate) struct Upper {
    pub(crate) root: Arc<OwnedFd>,
    pub(crate) work: Work,
}

/// Why a union can't be made: one clause, with the path in it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(String);

impl OpenError {
    pub(crate) fn new(doing: &str, path: &Path, error: Errno) -> Self {
        Self(format!("{doing} {}: {}", path.display(), std::io::Error::from(error)))
    }

    pub(crate) fn words(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl Union {
    /// Opens the layers. Changes nothing but the work directory, which is
    /// emptied.
    ///
    /// # Errors
    /// A directory that isn't there, isn't one, or is in use by another union;
    /// an upper and a work directory on different file systems; too many layers.
    pub fn open(paths: &Paths, settings: Settings) -> std::result::Result<Self, OpenError> {
        if paths.lowers.is_empty() || paths.lowers.len() > usize::from(u16::MAX) {
            return Err(OpenError::words("a union has between one and 65535 lower layers"));
        }
        let open = |path: &Path| {
            roots::lower(path).map_err(|e| OpenError::new("can't open the directory", path, e))
        };
        let lowers: Vec<_> =
            paths.lowers.iter().map(|path| open(path)).collect::<std::result::Result<_, _>>()?;
        let upper = match &paths.upper {
            None => None,
            Some((upper, work)) => {
                let place = work;
                let (root, work) = open_both(upper, work)?;
                let work = Work::open(work, &root, (upper, place))?;
                if settings.volatile {
                    let failed = |e| OpenError::new("can't mark the work directory", place, e);
                    work.mark_volatile().map_err(failed)?;
                }
                Some(Upper { root: Arc::new(root), work })
            }
        };
        let homes = paths.lowers.iter().zip(&lowers);
        let homes = homes
            .map(|(path, root)| {
                origin::Home::of(root).map_err(|e| OpenError::new("can't examine", path, e))
            })
            .collect::<std::result::Result<_, _>>()?;
        let layers = u16::try_from(lowers.len()).unwrap_or(u16::MAX);
        let merged = (0..layers).map(|layer| LowerDir { layer, path: None });
        let root = node::root(upper.is_some(), Lower::Directories(merged.collect()));
        let room = settings.open_files;
        Ok(Self {
            settings,
            lowers,
            homes,
            upper,
            table: Table::new(root),
            dirs: Fds::new(room / 2),
            files: Fds::new(room / 2),
            places: RwLock::new(()),
            streams: ops::Streams::default(),
            names: AtomicU64::new(0),
        })
    }

    /// The names of the marks in the layers.
    pub(crate) fn marks(&self) -> &'static Marks {
        self.settings.names.marks()
    }

    /// The layer that takes changes; `EROFS` without one.
    pub(crate) fn upper(&self) -> Result<&Upper> {
        self.upper.as_ref().ok_or(Errno::ROFS)
    }

    /// While it is held, nodes stay where they are.
    pub(crate) fn hold_places(&self) -> RwLockReadGuard<'_, ()> {
        self.places.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// While it is held, nobody else makes use of a place.
    pub(crate) fn change_places(&self) -> RwLockWriteGuard<'_, ()> {
        self.places.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that is given once.
    pub(crate) fn count(&self) -> u64 {
        self.names.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    /// Where a node's attributes are, and its content unless a mark says that
    /// it is below: in the upper layer if it is there at all, else in the
    /// uppermost of those below.
    pub(crate) fn object(&self, node: &Arc<Node>) -> Result<Object> {
        if node.is_dir() {
            return self.directory(node).map(Object::Open);
        }
        let state = node.state();
        if let Some(held) = &state.held {
            return Ok(Object::Open(held.clone()));
        }
        if let Some(indexed) = state.indexed.clone() {
            drop(state);
            return self.indexed_object(&indexed);
        }
        if state.upper {
            let name = state.name().cloned().ok_or(Errno::STALE)?;
            drop(state);
            return Ok(Object::At(self.upper_dir(&name.parent)?, name.name));
        }
        match state.lower.clone() {
            Lower::File(file) => {
                drop(state);
                Ok(Object::At(self.lower_dir(&file.dir)?, file.name))
            }
            _ => Err(Errno::STALE),
        }
    }

    /// The object of a lower file.
    pub(crate) fn lower_object(&self, file: &node::LowerFile) -> Result<Object> {
        Ok(Object::At(self.lower_dir(&file.dir)?, file.name.clone()))
    }

    /// A name of the upper layer.
    pub(crate) fn upper_object(&self, parent: &Arc<Node>, name: &Arc<OsStr>) -> Result<Object> {
        Ok(Object::At(self.upper_dir(parent)?, name.clone()))
    }
}

/// Opens the upper and the work directory, and says which of them can't be.
fn open_both(upper: &Path, work: &Path) -> std::result::Result<(OwnedFd, OwnedFd), OpenError> {
    roots::upper_and_work(upper, work).map_err(|e| {
        let missing = if roots::lower(upper).is_ok() { work } else { upper };
        OpenError::new("can't open the directory", missing, e)
    })
}
