//! Acting as somebody else, in a thread of its own.

use std::thread;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::failure::{Failure, Outcome};

/// A user and group without any rights.
pub const NOBODY: u32 = 65534;

/// Runs `act` as this user and group with these supplementary groups, and
/// without any capability.
///
/// # Errors
/// What `act` returns; a failure when the ids can't be taken.
pub fn as_user<T: Send>(
    (uid, gid): (u32, u32),
    groups: &[u32],
    act: impl FnOnce() -> Outcome<T> + Send,
) -> Outcome<T> {
    let groups: Vec<_> = groups.iter().map(|g| Gid::from_raw(*g)).collect();
    thread::scope(|scope| {
        let acting = scope.spawn(move || {
            set_thread_groups(&groups)?;
            let gid = Gid::from_raw(gid);
            set_thread_res_gid(gid, gid, gid)?;
            let uid = Uid::from_raw(uid);
            set_thread_res_uid(uid, uid, uid)?;
            act()
        });
        acting.join().unwrap_or_else(|_| Err(Failure::new("a panic as another user")))
    })
}

/// Runs `act` with this umask.
///
/// The umask belongs to the thread that made its own mount namespace, and to
/// threads that it starts.
///
/// # Errors
/// What `act` returns.
pub fn with_umask<T>(mask: u32, act: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
    let done = act();
    rustix::process::umask(before);
    done
}
