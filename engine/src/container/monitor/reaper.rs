//! Waiting for a container's first process, and for every orphan that comes
//! the monitor's way.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal as Named};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};

use super::Ending;
use crate::container::error::{Error, Result};

/// Watches one child among all.
pub(super) struct Reaper {
    pid: Pid,
    children: SignalFd,
    ended: Option<Ending>,
}

impl Reaper {
    /// Watches the child `pid`. From here on SIGCHLD is blocked: children made
    /// earlier don't inherit that, and there must be none later.
    pub(super) fn new(pid: i32) -> Result<Self> {
        let pid = Pid::from_raw(pid).ok_or_else(|| Error::invalid("0 is no process"))?;
        let mut set = SigSet::empty();
        set.add(Named::SIGCHLD);
        set.thread_block().map_err(|e| Error::io("can't block SIGCHLD", e))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let children = SignalFd::with_flags(&set, flags)
            .map_err(|e| Error::io("can't watch for SIGCHLD", e))?;
        Ok(Self { pid, children, ended: None })
    }

    /// Readable when a child may have ended.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.children.as_fd()
    }

    /// Takes the signal that made it readable.
    pub(super) fn acknowledge(&self) -> Result<()> {
        self.children.read_signal().map(drop).map_err(|e| Error::io("can't read SIGCHLD", e))
    }

    /// Signals the child, unless it has ended: until it is waited for here,
    /// its number is nobody else's.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        if self.ended.is_some() {
            return Ok(());
        }
        match kill_process(self.pid, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(e) => Err(Error::io("can't signal the container", e)),
        }
    }

    /// Waits for every child that has ended, and gives the ending of the one
    /// that is watched.
    pub(super) fn collect(&mut self) -> Result<Option<Ending>> {
        while let Some(ended) = next(WaitOptions::NOHANG)? {
            self.note(ended);
        }
        Ok(self.ended)
    }

    /// Waits until the child that is watched has ended.
    pub(super) fn wait(&mut self) -> Result<()> {
        while self.ended.is_none() {
            match next(WaitOptions::empty())? {
                Some(ended) => self.note(ended),
                None => return Err(Error::invalid("the container's process is nobody's child")),
            }
        }
        Ok(())
    }

    fn note(&mut self, (pid, status): (Pid, WaitStatus)) {
        if pid == self.pid {
            self.ended = ending(status);
        }
    }
}

/// One child that has ended; `None` if there is none (yet).
fn next(options: WaitOptions) -> Result<Option<(Pid, WaitStatus)>> {
    match retry_on_intr(|| wait(options)) {
        Ok(ended) => Ok(ended),
        Err(Errno::CHILD) => Ok(None),
        Err(e) => Err(Error::io("can't wait for the container", e)),
    }
}

fn ending(status: WaitStatus) -> Option<Ending> {
    let byte = |number: i32| u8::try_from(number).ok();
    status
        .exit_status()
        .and_then(byte)
        .map(Ending::Code)
        .or_else(|| status.terminating_signal().and_then(byte).map(Ending::Signal))
}

/// Waits until an orphan ends: one that was killed, so that this is short.
pub(super) fn wait_for_orphan() -> Result<()> {
    match next(WaitOptions::empty())? {
        Some(_) => Ok(()),
        None => Err(Error::invalid("a process in the container's control group isn't its own")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watched_child_is_told_from_others() {
        let spawn = |script: &str| {
            std::process::Command::new("sh").arg("-c").arg(script).spawn().unwrap().id()
        };
        let watched = i32::try_from(spawn("exec sleep 60")).unwrap();
        let mut reaper = Reaper::new(watched).unwrap();
        let other = format!("/proc/{}", spawn("exit 3"));
        // A child that has been waited for has no folder in /proc any more.
        while std::fs::metadata(&other).is_ok() {
            assert_eq!(reaper.collect().unwrap(), None);
            std::thread::yield_now();
        }
        reaper.signal(Signal::TERM).unwrap();
        reaper.wait().unwrap();
        assert_eq!(reaper.collect().unwrap(), Some(Ending::Signal(15)));
        reaper.signal(Signal::TERM).unwrap();
    }
}
