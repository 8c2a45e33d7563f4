//! A user namespace that is nothing but an id map.
//!
//! mount_setattr(2) takes a map only in the form of a user namespace, and a
//! namespace begins with a process. So a child is made whose only act is to
//! wait; its maps are written from here, the namespace is opened, and the child
//! is gone before the call returns.

use std::fmt;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

/// A line of `/proc/PID/uid_map` (user_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdLine {
    /// The first id inside the namespace: with an id-mapped mount, on disk.
    pub inside: u32,
    /// The first id outside: with an id-mapped mount, as it is shown.
    pub outside: u32,
    /// How many ids.
    pub count: u32,
}

/// Why there is no namespace.
#[derive(Debug)]
pub enum UserNsError {
    /// No process could be made in a new user namespace: the kernel or the
    /// host's settings don't allow it.
    Create(Errno),
    /// The kernel refused a map: ranges overlap, are too many, or are not this
    /// process's to give.
    Map(io::Error),
    /// The namespace couldn't be opened; without `/proc` it can't.
    Open(io::Error),
}

impl fmt::Display for UserNsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create(_) => "the host allows no further user namespace",
            Self::Map(_) => "the kernel refused the id map",
            Self::Open(_) => "the new user namespace can't be opened in /proc",
        })
    }
}

impl std::error::Error for UserNsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Create(errno) => Some(errno),
            Self::Map(error) | Self::Open(error) => Some(error),
        }
    }
}

/// Makes a user namespace with these maps and no process in it.
///
/// Needs CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID here. Cost: a fork of this
/// process, which grows with its resident memory (some 0.2 ms for 20 MiB);
/// a caller that needs the same map again keeps the descriptor.
///
/// # Errors
/// See [`UserNsError`].
pub fn create(uids: &[IdLine], gids: &[IdLine]) -> Result<OwnedFd, UserNsError> {
    let child = Waiting::start().map_err(UserNsError::Create)?;
    let namespace = child.namespace(uids, gids);
    // Also after an error: nothing may be left waiting, or unreaped.
    child.end().map_err(UserNsError::Create)?;
    namespace
}

/// The child process.
struct Waiting {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Waiting {
    fn start() -> Result<Self, Errno> {
        let mut pidfd: RawFd = -1;
        let args = clone_args(&mut pidfd);
        let parent = rustix::process::getpid().as_raw_nonzero().get();
        // SAFETY: `args` is a live `clone_args` of the size that is given, and
        // its `pidfd` points to a live RawFd. Neither CLONE_VM nor a stack is
        // asked for: the child has a copy of the memory, as after fork(2). It
        // runs nothing but `wait_for_the_end`, which allocates nothing, takes no
        // lock and closes no descriptor, so that it doesn't matter what other
        // threads held, nor that the table of descriptors is shared.
        let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) };
        match pid {
            -1 => Err(crate::thread::last_errno()),
            0 => wait_for_the_end(parent),
            pid => {
                // SAFETY: the kernel has stored a new descriptor there, which
                // nothing else owns.
                let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
                let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
                Ok(Self { pid, pidfd })
            }
        }
    }

    fn namespace(&self, uids: &[IdLine], gids: &[IdLine]) -> Result<OwnedFd, UserNsError> {
        self.write("uid_map", uids)?;
        self.write("gid_map", gids)?;
        Ok(fs::File::open(self.proc("ns/user")).map_err(UserNsError::Open)?.into())
    }

    fn end(self) -> Result<(), Errno> {
        pidfd_send_signal(self.pidfd.as_fd(), Signal::KILL)?;
        // A child that sends no signal on its end is waited for only with
        // __WALL, so nobody's wait for "any child" takes it away.
        let all =
            WaitIdOptions::EXITED | WaitIdOptions::from_bits_retain(libc::__WALL.cast_unsigned());
        loop {
            match waitid(WaitId::PidFd(self.pidfd.as_fd()), all) {
                Err(Errno::INTR) => {}
                other => return other.map(|_| ()),
            }
        }
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.pid.as_raw_nonzero())
    }

    fn write(&self, file: &str, lines: &[IdLine]) -> Result<(), UserNsError> {
        let mut text = String::new();
        for l in lines {
            // Writing to a String doesn't fail.
            writeln!(text, "{} {} {}", l.inside, l.outside, l.count)
                .map_err(|e| UserNsError::Map(io::Error::other(e)))?;
        }
        // One write(2): the kernel takes a map once and as a whole.
        fs::write(self.proc(file), text).map_err(UserNsError::Map)
    }
}

fn clone_args(pidfd: &mut RawFd) -> libc::clone_args {
    // Default handlers, so that a signal to the process group doesn't run this
    // program's handlers a second time in the child. No signal on its end. The
    // table of descriptors shared: in a copy, a descriptor that another thread
    // closes would stay open, and a mount of its busy, for as long as the child
    // lives.
    let flags = libc::CLONE_NEWUSER | libc::CLONE_PIDFD | libc::CLONE_FILES;
    libc::clone_args {
        flags: u64::from(flags.cast_unsigned()) | CLONE_CLEAR_SIGHAND,
        pidfd: std::ptr::from_mut(pidfd).addr() as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: 0,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    }
}

/// linux/sched.h; libc's constant is too narrow a type.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// All that the child does: waits to be killed, by us or by our end.
fn wait_for_the_end(parent: libc::pid_t) -> ! {
    // SAFETY: sets a number of the calling process and touches no memory. The
    // signal comes when the thread that cloned ends, which waits for us.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // Else the parent ended before that, and nobody would kill us.
    // SAFETY: takes nothing and touches no memory.
    while unsafe { libc::getppid() } == parent {
        // SAFETY: as above. It returns after a signal whose default is to be
        // ignored.
        unsafe { libc::pause() };
    }
    // SAFETY: ends the process at once; no destructor, no exit handler of the
    // parent's program runs in its copy.
    unsafe { libc::_exit(0) }
}

#[cfg(test)]
mod tests {
    //! These need root, as everything does that gives out ids.

    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_map_becomes_a_namespace_and_no_process_is_left() {
        let line = IdLine { inside: 0, outside: 100_000, count: 65_536 };
        let ns = create(&[line], &[line, IdLine { inside: 70_000, outside: 1, count: 1 }]).unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", ns.as_raw_fd())).unwrap();
        assert!(link.to_string_lossy().starts_with("user:["), "{link:?}");
        assert_ne!(link, fs::read_link("/proc/self/ns/user").unwrap());
        let any = WaitIdOptions::EXITED
            | WaitIdOptions::NOHANG
            | WaitIdOptions::from_bits_retain(libc::__WALL.cast_unsigned());
        assert_eq!(waitid(WaitId::All, any).map(|_| ()), Err(Errno::CHILD));
    }

    #[test]
    fn a_map_that_overlaps_is_refused_as_a_map() {
        let line = IdLine { inside: 0, outside: 100_000, count: 10 };
        assert!(matches!(create(&[line, line], &[line]), Err(UserNsError::Map(_))));
    }
}
