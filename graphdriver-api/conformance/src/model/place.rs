//! The model's root directory: whose it is, and what lies in it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use graphdriver_api::{Error, ErrorKind, Op, Result};
use rustix::fs::{Mode, OFlags, open};

use super::NAME;
use super::state::State;

/// One root directory, shared by all who have it open in this process.
#[derive(Debug)]
pub(super) struct Place {
    root: PathBuf,
    state: Mutex<State>,
}

/// What was ever opened here, by the number in its marker file.
fn opened() -> MutexGuard<'static, HashMap<String, Arc<Place>>> {
    static OPENED: OnceLock<Mutex<HashMap<String, Arc<Place>>>> = OnceLock::new();
    OPENED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place {
    /// The state of `root`, a new one if the directory is empty or isn't
    /// there.
    pub(super) fn at(root: &Path) -> Result<Arc<Self>> {
        let io = |what, error| Error::io(Op::Open, what, error).with_driver(NAME).with_path(root);
        fs::create_dir_all(root).map_err(|e| io("make the root directory", e))?;
        let root = fs::canonicalize(root).map_err(|e| io("find the root directory", e))?;
        let mut opened = opened();
        if let Some(found) = find(&opened, &root)? {
            return Ok(found);
        }
        let number = format!("{}.{}", std::process::id(), opened.len());
        let place = Arc::new(Self::new(&root, &number)?);
        opened.insert(number, Arc::clone(&place));
        Ok(place)
    }

    /// The state of `root`, if it was ever opened.
    pub(super) fn existing(root: &Path) -> Result<Option<Arc<Self>>> {
        find(&opened(), root)
    }

    fn new(root: &Path, number: &str) -> Result<Self> {
        let io = |e| Error::io(Op::Open, "prepare the root directory", e).with_path(root);
        for dir in ["trees", "mounts"] {
            fs::create_dir(root.join(dir)).map_err(io)?;
        }
        fs::write(root.join(NAME), number).map_err(io)?;
        Ok(Self { root: root.to_owned(), state: Mutex::default() })
    }

    /// The state, for as long as the guard lives. A thread that panicked had
    /// it for a single change at most, so what it left is whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the root is what it was, which anything else would be a
    /// damaged medium for.
    pub(super) fn check(&self, op: Op) -> Result<()> {
        match fs::symlink_metadata(self.root.join(NAME)) {
            Ok(_) => Ok(()),
            Err(e) => Err(Error::io(op, "read the root's marker", e).with_path(&self.root)),
        }
    }

    /// Whether `path` is this root, or one of the two lies in the other.
    pub(super) fn overlaps(&self, path: &Path) -> bool {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        path.starts_with(&self.root) || self.root.starts_with(&path)
    }

    /// Where the tree of that number lies.
    pub(super) fn tree(&self, number: u64) -> PathBuf {
        self.root.join("trees").join(number.to_string())
    }

    /// Where the mount of that number is.
    pub(super) fn mount(&self, number: u64) -> PathBuf {
        self.root.join("mounts").join(number.to_string())
    }
}

/// Looks for the marker of a root that was opened before; `None` if there is
/// nothing in the directory at all.
fn find(opened: &HashMap<String, Arc<Place>>, root: &Path) -> Result<Option<Arc<Place>>> {
    let corrupt = |why| {
        let error = Error::new(ErrorKind::Corrupt, Op::Open, why);
        error.with_driver(NAME).with_path(root)
    };
    let io = |what, e| Error::io(Op::Open, what, e).with_driver(NAME).with_path(root);
    match fs::read_to_string(root.join(NAME)) {
        Ok(number) => match opened.get(&number) {
            Some(place) => Ok(Some(Arc::clone(place))),
            None => Err(corrupt("its nodes were another process's, and ended with it")),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => match is_empty(root) {
            Ok(true) => Ok(None),
            Ok(false) => Err(corrupt("there are files here that aren't this driver's")),
            Err(e) => Err(io("list the root directory", e)),
        },
        Err(e) => Err(io("read the root's marker", e)),
    }
}

/// Whether a directory is empty, or isn't there.
fn is_empty(dir: &Path) -> io::Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut inside) => Ok(inside.next().is_none()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(e),
    }
}

/// Opens a directory.
pub(super) fn open_dir(op: Op, path: &Path) -> Result<OwnedFd> {
    open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| Error::io(op, "open a directory", e).with_path(path))
}

/// Reads a tree from its directory.
pub(super) fn read_tree(op: Op, path: &Path) -> Result<crate::tree::Tree> {
    let dir = open_dir(op, path)?;
    crate::tree::Tree::read(dir.as_fd())
        .map_err(|e| Error::io(op, "read the draft's directory", e).with_path(path))
}
