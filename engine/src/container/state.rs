//! What needn't survive a reboot: a container's bundle, its sockets, and
//! whether it is alive.
//!
//! Each container has a folder of its own with a lock in it. Its engine and its
//! monitor hold the lock through one open file as long as either lives; the
//! kernel releases it however they die. So the lock is what tells a live
//! container from a dead one, and no file is ever believed.
//!
//! ```text
//! RUNROOT/STORE/lock          taken while a folder is made, or one is swept away
//! RUNROOT/STORE/ID/lock       held by whoever keeps the container alive
//! RUNROOT/STORE/ID/state      its first process, once there is one
//! RUNROOT/STORE/ID/…          the bundle
//! RUNROOT/filters/            filters of system calls, for all containers
//! ```

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::monitor::ProcessId;
use crate::fault;

/// The folders of all containers of one store.
#[derive(Debug, Clone)]
pub(super) struct StateRoot {
    dir: PathBuf,
}

/// The folder of one container that this process keeps alive.
#[derive(Debug)]
pub(super) struct StateDir {
    dir: PathBuf,
    lock: File,
}

/// A live container's first process.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Running {
    /// The process.
    pub(super) process: ProcessId,
    /// When it was started.
    pub(super) since: SystemTime,
}

/// Whether anybody keeps a container alive.
#[derive(Debug)]
pub(super) enum Life {
    /// Somebody does; its first process, if it has one yet.
    Alive(Option<Running>),
    /// Nobody does. While this is held, nobody else can find that out.
    Dead(StateDir),
    /// There is no folder.
    Absent,
}

const LOCK: &str = "lock";
const STATE: &str = "state";

impl StateRoot {
    /// The folders beneath `run_root` for the store in `store`. Stores are told
    /// apart by their folder's identity, however it is reached.
    ///
    /// # Errors
    /// The folder can't be made.
    pub(super) fn open(run_root: &Path, store: &Path) -> Result<Self> {
        let meta = fs::metadata(store).map_err(|e| Error::io_at("look at", store, e))?;
        let dir = run_root.join(format!("{:x}-{:x}", meta.dev(), meta.ino()));
        // Other processes may be making the same folders at this moment.
        let made = match make_dir(&dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => DirBuilder::new()
                .recursive(true)
                .mode(0o711)
                .create(run_root)
                .and_then(|()| make_dir(&dir)),
            made => made,
        };
        match made {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io_at("create", &dir, e));
            }
            _ => {}
        }
        Ok(Self { dir })
    }

    /// As [`open`](Self::open), but makes nothing; `None` if it isn't there.
    ///
    /// # Errors
    /// It can't be looked at.
    pub(super) fn existing(run_root: &Path, store: &Path) -> Result<Option<Self>> {
        let meta = match fs::metadata(store) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            meta => meta.map_err(|e| Error::io_at("look at", store, e))?,
        };
        let dir = run_root.join(format!("{:x}-{:x}", meta.dev(), meta.ino()));
        let there = dir.try_exists().map_err(|e| Error::io_at("look at", &dir, e))?;
        Ok(there.then_some(Self { dir }))
    }

    /// The folders that nobody keeps alive, with their containers' ids.
    ///
    /// # Errors
    /// They can't be read.
    pub(super) fn dead(&self) -> Result<Vec<(String, PathBuf)>> {
        let mut dead = Vec::new();
        for name in self.names()? {
            let Some(id) = name.to_str() else { continue };
            if matches!(self.look_at(id)?, Some(Life::Dead(_) | Life::Absent)) {
                dead.push((id.to_owned(), self.dir.join(id)));
            }
        }
        Ok(dead)
    }

    /// As [`life`](Self::life), kept apart from those who are making a folder,
    /// for whom its lock must be free. `None` where no folder was ever made.
    ///
    /// # Errors
    /// The folder can't be read.
    pub(super) fn look_at(&self, id: &str) -> Result<Option<Life>> {
        let lock = match open_lock(&self.dir.join(LOCK), false) {
            Ok(lock) => lock,
            Err(e) if e.is_not_found() => return Ok(None),
            Err(e) => return Err(e),
        };
        retry_on_intr(|| flock(&lock, FlockOperation::LockExclusive))
            .map_err(|e| Error::io_at("lock", &self.dir, e))?;
        self.life(id).map(Some)
    }

    /// Makes a container's folder and takes its lock.
    ///
    /// # Errors
    /// The folder can't be made.
    pub(super) fn create(&self, id: &str) -> Result<StateDir> {
        let _alone = self.alone()?;
        let dir = self.dir.join(id);
        make_dir(&dir).map_err(|e| Error::io_at("create", &dir, e))?;
        fault::point("run.folder.lock").map_err(|e| Error::io_at("lock", &dir, e))?;
        let lock = open_lock(&dir.join(LOCK), true)?;
        match try_lock(&lock) {
            Ok(true) => Ok(StateDir { dir, lock }),
            Ok(false) => Err(Error::invalid(format!("the container {id} is being used"))),
            Err(e) => Err(Error::io_at("lock", &dir, e)),
        }
    }

    /// The folder of a container, whether it is there or not.
    pub(super) fn path_of(&self, id: &str) -> PathBuf {
        self.dir.join(id)
    }

    /// Whether the container is alive.
    ///
    /// # Errors
    /// The folder can't be read.
    pub(super) fn life(&self, id: &str) -> Result<Life> {
        let dir = self.dir.join(id);
        let lock = match open_lock(&dir.join(LOCK), false) {
            Ok(lock) => lock,
            Err(e) if e.is_not_found() => return Ok(Life::Absent),
            Err(e) => return Err(e),
        };
        match try_lock(&lock) {
            Ok(true) => Ok(Life::Dead(StateDir { dir, lock })),
            Ok(false) => Ok(Life::Alive(read_state(&dir)?)),
            Err(e) => Err(Error::io_at("lock", &dir, e)),
        }
    }

    /// Waits until nobody keeps the container alive.
    ///
    /// # Errors
    /// The folder can't be read.
    pub(super) fn wait(&self, id: &str) -> Result<Option<StateDir>> {
        let dir = self.dir.join(id);
        let lock = match open_lock(&dir.join(LOCK), false) {
            Ok(lock) => lock,
            Err(e) if e.is_not_found() => return Ok(None),
            Err(e) => return Err(e),
        };
        retry_on_intr(|| flock(&lock, FlockOperation::LockExclusive))
            .map_err(|e| Error::io_at("lock", &dir, e))?;
        Ok(Some(StateDir { dir, lock }))
    }

    /// Removes the folders that nobody keeps alive and that `known` doesn't
    /// name: what a crash left between making a folder and recording its
    /// container, or between the container's removal and the folder's.
    ///
    /// # Errors
    /// A folder can't be read or removed.
    pub(super) fn sweep(&self, known: impl Fn(&str) -> Result<bool>) -> Result<()> {
        let names = self.names()?;
        if names.is_empty() {
            return Ok(());
        }
        let _alone = self.alone()?;
        for name in names {
            // Ids are ASCII; whatever else lies here isn't ours to remove.
            let Some(id) = name.to_str() else { continue };
            if !known(id)? {
                match self.life(id)? {
                    Life::Dead(dir) => dir.remove()?,
                    Life::Absent => remove_dir(&self.dir.join(id))?,
                    Life::Alive(_) => {}
                }
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<OsString>> {
        let at = |e| Error::io_at("list", &self.dir, e);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(at)? {
            let entry = entry.map_err(at)?;
            if entry.file_type().map_err(at)?.is_dir() {
                names.push(entry.file_name());
            }
        }
        Ok(names)
    }

    /// Keeps a folder that is being made from being taken for a dead one's.
    fn alone(&self) -> Result<File> {
        let lock = open_lock(&self.dir.join(LOCK), true)?;
        retry_on_intr(|| flock(&lock, FlockOperation::LockExclusive))
            .map_err(|e| Error::io_at("lock", &self.dir, e))?;
        Ok(lock)
    }
}

impl StateDir {
    /// The folder, which is the container's bundle.
    pub(super) fn path(&self) -> &Path {
        &self.dir
    }

    /// The lock, for whoever shares in keeping the container alive.
    pub(super) fn lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// Notes the container's first process, for others to see and to kill.
    ///
    /// # Errors
    /// The note can't be written.
    pub(super) fn note(&self, process: ProcessId) -> Result<()> {
        let path = self.dir.join(STATE);
        let temporary = self.dir.join(".state");
        let running = Running { process, since: SystemTime::now() };
        let text = serde_json::to_vec(&running)
            .map_err(|e| Error::invalid("can't write a container's state").with_source(e))?;
        // Whole or not at all: `ps` may look at any time.
        fault::point("run.note.write")
            .and_then(|()| fs::write(&temporary, text))
            .and_then(|()| fault::point("run.note.rename"))
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|e| Error::io_at("write", &path, e))
    }

    /// The process that was noted, whether it lives or not.
    ///
    /// # Errors
    /// The note can't be read.
    pub(super) fn noted(&self) -> Result<Option<Running>> {
        read_state(&self.dir)
    }

    /// Removes the folder and lets go of the lock.
    ///
    /// # Errors
    /// It can't be removed.
    pub(super) fn remove(self) -> Result<()> {
        remove_dir(&self.dir)
    }
}

fn make_dir(path: &Path) -> io::Result<()> {
    // Others may pass through, not look: a container's root, which is nobody
    // special here when ids are mapped, has to reach its files.
    fault::point("run.folder.make")?;
    DirBuilder::new().mode(0o711).create(path)
}

fn remove_dir(path: &Path) -> Result<()> {
    match fault::point("run.folder.remove").and_then(|()| fs::remove_dir_all(path)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io_at("remove", path, e)),
        _ => Ok(()),
    }
}

fn open_lock(path: &Path, create: bool) -> Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(create)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|e| Error::io_at("open", path, e))
}

fn try_lock(lock: &File) -> Result<bool, Errno> {
    match flock(lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(e),
    }
}

fn read_state(dir: &Path) -> Result<Option<Running>> {
    let path = dir.join(STATE);
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|e| Error::invalid(format!("{} is damaged", path.display())).with_source(e)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io_at("read", &path, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, StateRoot) {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::open(&dir.path().join("run/deep"), dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn processes_that_are_the_first_together_share_one_folder() {
        for _ in 0..50 {
            let store = tempfile::tempdir().unwrap();
            let run_root = store.path().join("run/deep");
            let barrier = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        barrier.wait();
                        StateRoot::open(&run_root, store.path()).unwrap();
                    });
                }
            });
        }
    }

    #[test]
    fn a_container_lives_as_long_as_its_lock_is_held() {
        let (_dir, root) = root();
        assert!(matches!(root.life("a").unwrap(), Life::Absent));
        let dir = root.create("a").unwrap();
        assert!(matches!(root.life("a").unwrap(), Life::Alive(None)));
        let process = ProcessId { pid: 7, started: 8 };
        dir.note(process).unwrap();
        match root.life("a").unwrap() {
            Life::Alive(Some(running)) => assert_eq!(running.process, process),
            other => panic!("{other:?}"),
        }
        let shared = dir.lock().try_clone_to_owned().unwrap();
        drop(dir);
        assert!(matches!(root.life("a").unwrap(), Life::Alive(_)));
        drop(shared);
        match root.life("a").unwrap() {
            Life::Dead(dir) => assert_eq!(dir.noted().unwrap().unwrap().process, process),
            other => panic!("{other:?}"),
        }
        root.wait("a").unwrap().unwrap().remove().unwrap();
        assert!(root.wait("a").unwrap().is_none());
    }

    #[test]
    fn only_dead_strangers_are_swept_away() {
        let (_dir, root) = root();
        let alive = root.create("alive").unwrap();
        drop(root.create("known").unwrap());
        drop(root.create("stranger").unwrap());
        fs::create_dir(root.dir.join("half-made")).unwrap();
        root.sweep(|id| Ok(id == "known")).unwrap();
        let mut names = root.names().unwrap();
        names.sort();
        assert_eq!(names, ["alive", "known"]);
        drop(alive);
    }

    #[test]
    fn a_name_is_used_once() {
        let (_dir, root) = root();
        let _first = root.create("a").unwrap();
        assert!(root.create("a").is_err());
    }
}
