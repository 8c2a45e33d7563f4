//! Work in a mount namespace that nobody else sees.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::thread;

use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use sapwood_sys::thread::unshare_mounts;

use crate::fault::Inherited;

/// Runs `work` in a thread with a mount namespace of its own, a copy of the
/// caller's in which mounts are nobody else's business. It ends with the work,
/// whatever becomes of it; mounts that are to last leave it as descriptors.
///
/// Descriptors from outside are of mounts that this namespace doesn't have:
/// what `work` mounts, or copies as a mount, it opens by path.
///
/// Cost: grows with the number of mounts of the host (0.1 ms for 30).
///
/// # Errors
/// Those of unshare(2) and `work`.
pub fn in_private_namespace<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    in_thread(|| {
        let outside = File::open("/proc/thread-self/ns/mnt")?;
        unshare_mounts()?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        let done = match mount_change("/", private) {
            Ok(()) => work(),
            Err(e) => Err(e.into()),
        };
        // The namespace holds copies of all mounts. A thread is joined before
        // it has given up its namespaces, so it leaves this one while somebody
        // still waits for it: when this returns, the copies are gone.
        move_into_link_name_space(outside.as_fd(), Some(LinkNameSpaceType::Mount))?;
        done
    })
}

/// Runs `work` in a thread that it may change as it likes.
pub(super) fn in_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let plan = Inherited::current();
    let run = move || {
        plan.enter();
        work()
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("mount".into()).spawn_scoped(scope, run)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the mounting thread panicked")))
    })
}
