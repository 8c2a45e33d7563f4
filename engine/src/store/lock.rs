//! Who may add layers and who may remove them.
//!
//! Whoever is making layers holds the lock shared, from before it looks for
//! what is there already until its images are recorded. Whoever removes layers
//! that no row needs holds it alone: so none disappears from under a load that
//! counts on it, and no draft of a load that is running is taken for a dead
//! one's. The lock is the kernel's (flock(2)) and ends with its process.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// The lock file's name in the store's folder.
const NAME: &str = "lock";

/// Held by any number at a time; nobody holds [`Exclusive`] meanwhile.
#[derive(Debug)]
pub(crate) struct Shared(#[allow(dead_code, reason = "closing it releases the lock")] File);

/// Held by one alone.
#[derive(Debug)]
pub(crate) struct Exclusive(#[allow(dead_code, reason = "closing it releases the lock")] File);

impl Shared {
    /// Waits until nobody is removing.
    pub(crate) fn wait(dir: &Path) -> Result<Self> {
        acquire(dir, FlockOperation::LockShared).map(Self)
    }
}

impl Exclusive {
    /// Waits until nobody else holds the lock.
    pub(crate) fn wait(dir: &Path) -> Result<Self> {
        acquire(dir, FlockOperation::LockExclusive).map(Self)
    }

    /// The lock if nobody else holds it now.
    pub(crate) fn try_now(dir: &Path) -> Result<Option<Self>> {
        let file = open(dir)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(Error::io("lock", dir.join(NAME), e)),
        }
    }
}

/// Held by who looks: nobody removes layers meanwhile. Nothing is written for
/// it, not even the lock's file.
#[derive(Debug)]
pub(crate) struct Watch {
    file: File,
    alone: bool,
}

impl Watch {
    /// The lock, alone if nobody else holds it; `None` where there is no lock,
    /// in a store that nobody has opened yet.
    pub(crate) fn take(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(NAME);
        let file = match File::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|e| Error::io("open", &path, e))?,
        };
        let failed = |e| Error::io("lock", &path, e);
        let alone = match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => true,
            Err(Errno::WOULDBLOCK) => {
                let shared = || flock(&file, FlockOperation::LockShared);
                rustix::io::retry_on_intr(shared).map_err(failed)?;
                false
            }
            Err(e) => return Err(failed(e)),
        };
        Ok(Some(Self { file, alone }))
    }

    /// Whether nobody makes layers either.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Lets others make layers.
    pub(crate) fn share(self) -> Result<Self> {
        let shared = || flock(&self.file, FlockOperation::LockShared);
        rustix::io::retry_on_intr(shared).map_err(|e| Error::io("lock", NAME, e))?;
        Ok(Self { alone: false, ..self })
    }
}

fn acquire(dir: &Path, how: FlockOperation) -> Result<File> {
    let file = open(dir)?;
    rustix::io::retry_on_intr(|| flock(&file, how))
        .map_err(|e| Error::io("lock", dir.join(NAME), e))?;
    Ok(file)
}

fn open(dir: &Path) -> Result<File> {
    let path = dir.join(NAME);
    File::options().create(true).truncate(false).write(true).open(&path).map_err(|e| {
        match e.kind() {
            ErrorKind::ReadOnlyFilesystem => Error::ReadOnly { path: dir.to_owned() },
            _ => Error::io("open", path, e),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_and_making_exclude_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let first = Shared::wait(dir.path()).unwrap();
        let second = Shared::wait(dir.path()).unwrap();
        assert!(Exclusive::try_now(dir.path()).unwrap().is_none());
        drop(first);
        assert!(Exclusive::try_now(dir.path()).unwrap().is_none());
        drop(second);
        assert!(Exclusive::try_now(dir.path()).unwrap().is_some());
    }
}
