//! The two locks of a store, both held by open descriptors and so given back
//! by the kernel when their holder dies.
//!
//! * The *root lock* (flock(2) on the root directory) orders updates of the
//!   directories of nodes. It is held for some renames, never while a tree is
//!   copied, flushed or deleted.
//! * The *locks of a node* are open file description locks (fcntl(2),
//!   `F_OFD_SETLK`) on single bytes of its record. Unlike flock(2) these can be
//!   asked about without being taken: `stat` never gets in anybody's way.
//!
//! A lock is released explicitly, not by closing its descriptor alone: a child
//! that was forked meanwhile and hasn't called exec yet has the descriptor too.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};

/// The lock of a store's directories.
#[derive(Debug)]
pub(crate) struct RootLock(Mutex<OwnedFd>);

impl RootLock {
    /// `dir` must be a descriptor of its own, not a duplicate of another:
    /// duplicates share a lock.
    pub(crate) fn new(dir: OwnedFd) -> Self {
        Self(Mutex::new(dir))
    }

    /// Waits for the lock.
    pub(crate) fn hold(&self) -> io::Result<RootGuard<'_>> {
        // What a panicking thread left half done is what a dying process
        // leaves, and every holder of the lock can cope with that.
        let dir = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        retry_on_intr(|| flock(&*dir, FlockOperation::LockExclusive))?;
        Ok(RootGuard(dir))
    }
}

/// Holds the root lock until it is dropped.
#[derive(Debug)]
pub(crate) struct RootGuard<'a>(MutexGuard<'a, OwnedFd>);

impl Drop for RootGuard<'_> {
    fn drop(&mut self) {
        release_dir(&*self.0);
    }
}

/// Takes the lock of a directory that is being made, removed or deleted, or
/// says that it is held.
/// It lives as long as the descriptor, or until [`release_dir`].
pub(crate) fn try_dir(dir: impl AsFd) -> io::Result<bool> {
    match flock(dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Gives back a directory's lock.
pub(crate) fn release_dir(dir: impl AsFd) {
    let released = flock(dir, FlockOperation::Unlock);
    debug_assert!(released.is_ok(), "unlocking an open descriptor can't fail");
}

/// Bytes of a node's record that stand for its locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes {
    start: i64,
    len: i64,
}

/// The draft belongs to one caller: it is applied to, committed, or removed.
pub(crate) const IN_USE: Bytes = Bytes { start: 0, len: 1 };
/// As [`IN_USE`], and the use is a mount.
pub(crate) const IN_USE_BY_MOUNT: Bytes = Bytes { start: 0, len: 2 };
/// The byte that tells a mount from another use.
pub(crate) const MOUNTED: Bytes = Bytes { start: 1, len: 1 };
/// The tree is being read; shared.
pub(crate) const READ: Bytes = Bytes { start: 2, len: 1 };
/// Nobody uses, mounts or reads it.
pub(crate) const ALONE: Bytes = Bytes { start: 0, len: 3 };

/// Takes a lock for this caller alone; `false` if somebody else holds any of
/// its bytes. `record` must be open for writing.
pub(crate) fn try_exclusive(record: &File, bytes: Bytes) -> io::Result<bool> {
    set(record, libc::F_WRLCK, bytes)
}

/// Takes a lock that others may share.
pub(crate) fn try_shared(record: &File, bytes: Bytes) -> io::Result<bool> {
    set(record, libc::F_RDLCK, bytes)
}

/// Gives all locks of this descriptor back.
pub(crate) fn release(record: &File) {
    let released = set(record, libc::F_UNLCK, ALONE);
    debug_assert!(released.is_ok(), "unlocking an open descriptor can't fail");
}

/// Whether another descriptor holds any of the bytes, without taking them.
pub(crate) fn is_held(record: &File, bytes: Bytes) -> io::Result<bool> {
    let mut lock = request(libc::F_WRLCK, bytes);
    fcntl(record, FcntlArg::F_OFD_GETLK(&mut lock))?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

fn set(record: &File, kind: i32, bytes: Bytes) -> io::Result<bool> {
    match fcntl(record, FcntlArg::F_OFD_SETLK(&request(kind, bytes))) {
        Ok(_) => Ok(true),
        Err(nix::Error::EAGAIN | nix::Error::EACCES) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

// The constants are `int` in C and fit the structure's `short`.
#[allow(clippy::cast_possible_truncation)]
fn request(kind: i32, bytes: Bytes) -> libc::flock {
    libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: bytes.start,
        l_len: bytes.len,
        // Must be 0 for a lock of an open file description.
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(path: &std::path::Path) -> File {
        File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap()
    }

    #[test]
    fn asking_takes_nothing_and_descriptors_exclude_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (opened(&dir.path().join("r")), opened(&dir.path().join("r")));
        assert!(!is_held(&b, ALONE).unwrap());
        assert!(try_exclusive(&a, IN_USE_BY_MOUNT).unwrap());
        assert!(is_held(&b, MOUNTED).unwrap());
        assert!(!is_held(&b, READ).unwrap());
        assert!(!try_exclusive(&b, IN_USE).unwrap());
        assert!(try_shared(&b, READ).unwrap());
        assert!(!try_exclusive(&a, ALONE).unwrap());
        release(&b);
        assert!(try_exclusive(&a, ALONE).unwrap());
        release(&a);
        assert!(!is_held(&b, ALONE).unwrap());
    }

    #[test]
    fn a_use_that_is_no_mount_doesnt_look_like_one() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (opened(&dir.path().join("r")), opened(&dir.path().join("r")));
        assert!(try_exclusive(&a, IN_USE).unwrap());
        assert!(!is_held(&b, MOUNTED).unwrap());
        assert!(!try_exclusive(&b, IN_USE_BY_MOUNT).unwrap());
    }
}
