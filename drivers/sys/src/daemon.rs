//! fork(2) for programs that have one thread, as those that become a daemon.
//!
//! The copy of a process has only the thread that called: a lock that another
//! one held, the allocator's for example, would never be released in it. So the
//! threads are counted first. With one there is nobody who could start another
//! meanwhile, and the copy may do whatever the original may.

use std::fmt;
use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::Pid;

/// Which of the two processes this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forked {
    /// The original; the copy has this number and is to be waited for.
    Parent(Pid),
    /// The copy.
    Child,
}

/// Why there is no second process.
#[derive(Debug)]
pub enum ForkError {
    /// The process has so many threads, and only the caller's would be copied.
    Threads(usize),
    /// The threads couldn't be counted: `/proc` isn't there.
    Count(io::Error),
    /// The kernel refused: `AGAIN` at a limit of processes, `NOMEM`.
    Fork(Errno),
}

impl fmt::Display for ForkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads(n) => write!(f, "a process with {n} threads can't be copied"),
            Self::Count(_) => f.write_str("this process's threads can't be counted in /proc"),
            Self::Fork(_) => f.write_str("the kernel gave no second process"),
        }
    }
}

impl std::error::Error for ForkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Threads(_) => None,
            Self::Count(error) => Some(error),
            Self::Fork(errno) => Some(errno),
        }
    }
}

/// Copies this process, which has one thread, or refuses.
///
/// Descriptors are shared as open file descriptions, close-on-exec ones too.
/// Destructors of values that both processes hold run in both.
///
/// # Errors
/// See [`ForkError`]. There is then no second process.
pub fn fork() -> Result<Forked, ForkError> {
    match fs::read_dir("/proc/self/task").map_err(ForkError::Count)?.count() {
        1 => fork_the_only_thread().map_err(ForkError::Fork),
        threads => Err(ForkError::Threads(threads)),
    }
}

fn fork_the_only_thread() -> Result<Forked, Errno> {
    // SAFETY: the calling thread is the only one, as has been counted, and
    // nothing can have started another since. So no lock is held by a thread
    // that the copy lacks, and all code is as sound in it as in the original.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(crate::thread::last_errno()),
        0 => Ok(Forked::Child),
        pid => Pid::from_raw(pid).map(Forked::Parent).ok_or(Errno::SRCH),
    }
}

#[cfg(test)]
mod tests {
    //! That one thread is copied, the tests of the daemon show: a test's own
    //! process always has a second thread.

    use super::*;

    #[test]
    fn a_process_of_several_threads_is_not_copied() {
        let error = std::thread::spawn(fork).join().unwrap().unwrap_err();
        assert!(matches!(error, ForkError::Threads(n) if n >= 2), "{error:?}");
    }
}
