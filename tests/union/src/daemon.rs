//! The process that serves a mount: found by the mount point in its command
//! line, and waited for by descriptor, so that no reused process id is taken
//! for it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A daemon that is none of our children.
#[derive(Debug)]
pub(crate) struct Daemon {
    pid: Pid,
    handle: OwnedFd,
}

impl Daemon {
    /// The process that has `mountpoint` as an argument, if there is one.
    ///
    /// # Errors
    /// /proc can't be read.
    pub(crate) fn of(mountpoint: &Path) -> io::Result<Option<Self>> {
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let Some(pid) = pid_of(&entry.file_name()) else { continue };
            if serves(&entry.path(), mountpoint)
                && let Some(daemon) = Self::open(pid)?
                // The id may have been reused before it was opened.
                && serves(&entry.path(), mountpoint)
            {
                return Ok(Some(daemon));
            }
        }
        Ok(None)
    }

    fn open(pid: Pid) -> io::Result<Option<Self>> {
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => Ok(Some(Self { pid, handle })),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it has ended, waiting for that as long as `patience`.
    ///
    /// # Errors
    /// Those of poll(2).
    pub(crate) fn ended_within(&self, patience: Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(patience).map_err(io::Error::other)?;
        let mut polled = [PollFd::new(&self.handle, PollFlags::IN)];
        Ok(poll(&mut polled, Some(&timeout))? > 0)
    }

    /// Ends it at once, and waits until it is gone.
    ///
    /// # Errors
    /// The signal can't be sent, or it is still there after half a minute.
    pub(crate) fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(&self.handle, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(e) => return Err(e.into()),
        }
        match self.ended_within(Duration::from_secs(30))? {
            true => Ok(()),
            false => Err(io::Error::other("the daemon outlives SIGKILL")),
        }
    }
}

fn pid_of(name: &std::ffi::OsStr) -> Option<Pid> {
    Pid::from_raw(name.to_str()?.parse().ok()?)
}

/// Whether a process has this argument. One that is gone, or a kernel thread,
/// has none.
fn serves(process: &Path, mountpoint: &Path) -> bool {
    fs::read(process.join("cmdline"))
        .is_ok_and(|line| line.split(|b| *b == 0).any(|a| a == mountpoint.as_os_str().as_bytes()))
}
