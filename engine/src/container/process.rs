//! Processes that can be told from later ones with the same number.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::error::{Error, Result};
use super::monitor::ProcessId;

impl ProcessId {
    /// Identifies a process that is there; `None` if it isn't.
    ///
    /// # Errors
    /// /proc can't be read.
    pub fn of(pid: i32) -> Result<Option<Self>> {
        let path = format!("/proc/{pid}/stat");
        match fs::read_to_string(&path) {
            Ok(stat) => Ok(start_time(&stat).map(|started| Self { pid, started })),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) if e.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(None),
            Err(e) => Err(Error::io(format!("can't read {path}"), e)),
        }
    }

    /// A handle on the process, if it still is that one.
    ///
    /// # Errors
    /// As [`ProcessId::of`].
    pub fn open(self) -> Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(None);
        };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(Errno::SRCH) => return Ok(None),
            Err(e) => return Err(Error::io(format!("can't open process {}", self.pid), e)),
        };
        // The handle holds on to one process; if that one has our start time,
        // it is ours, whatever happens to the number from here on.
        Ok((Self::of(self.pid)? == Some(self)).then_some(handle))
    }

    /// Kills the process, if it still is that one.
    ///
    /// # Errors
    /// It may not be killed.
    pub fn kill(self) -> Result<()> {
        let Some(handle) = self.open()? else {
            return Ok(());
        };
        match pidfd_send_signal(handle, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(e) => Err(Error::io(format!("can't kill process {}", self.pid), e)),
        }
    }
}

/// The 22nd field of `/proc/PID/stat`; the second is a name in parentheses
/// that may hold anything.
fn start_time(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn odd_names_do_not_confuse() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1";
        assert_eq!(start_time(stat), Some(4711));
        assert_eq!(start_time("7 (a"), None);
    }

    #[test]
    fn a_process_is_killed_only_if_it_is_that_one() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let id = ProcessId::of(pid).unwrap().unwrap();
        let other = ProcessId { started: id.started + 1, ..id };
        assert!(other.open().unwrap().is_none());
        other.kill().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        id.kill().unwrap();
        child.wait().unwrap();
        assert!(ProcessId::of(pid).unwrap().is_none());
        id.kill().unwrap();
    }
}
