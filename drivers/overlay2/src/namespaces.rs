//! Private mount namespaces, and how not to be deceived by one's own.
//!
//! On kernels before 6.15 some mounts are made in a mount namespace of their
//! own, which begins as a copy of the host's. For these milliseconds it holds
//! copies of all mounts, also of drafts that are just being unmounted, and those
//! drafts look as if somebody still had them. So whoever makes such a namespace
//! shares a lock, and whoever finds a draft in use looks again when nobody does.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::retry_on_intr;

/// In the directory `host` of the root.
const FILE: &str = "namespaces.lock";

/// Held until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub(crate) struct Held(OwnedFd);

/// For who makes a private namespace.
pub(crate) fn shared(host: impl AsFd) -> io::Result<Held> {
    take(host, FlockOperation::LockShared)
}

/// Waits until no process has a private namespace on behalf of this root.
pub(crate) fn none(host: impl AsFd) -> io::Result<Held> {
    take(host, FlockOperation::LockExclusive)
}

fn take(host: impl AsFd, how: FlockOperation) -> io::Result<Held> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(host, FILE, flags, Mode::RUSR | Mode::WUSR)?;
    retry_on_intr(|| flock(&file, how))?;
    Ok(Held(file))
}

impl Drop for Held {
    fn drop(&mut self) {
        // Explicitly: a child that was forked meanwhile has the descriptor too.
        // Unlocking an open one can't fail.
        flock(&self.0, FlockOperation::Unlock).ok();
    }
}
