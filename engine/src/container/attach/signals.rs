//! The signals that a container gets instead of the engine.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::container::error::{Error, Result};

/// All that docker-run(1) forwards. Not among them: those that mean a bug of
/// this very process (SEGV and its like), those that say something about its
/// own children and pipes (CHLD, PIPE, URG), those that nobody can catch. A
/// real-time signal ends the engine and so the container.
const FORWARDED: [Signal; 19] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGABRT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTERM,
    Signal::SIGCONT,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGXCPU,
    Signal::SIGXFSZ,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGWINCH,
    Signal::SIGIO,
    Signal::SIGPWR,
];

/// Collects signals from its making on, so that one that comes while the
/// container is being made isn't lost and doesn't end the engine halfway.
#[derive(Debug)]
pub(in crate::container) struct Signals {
    fd: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Blocks the signals in this thread.
    ///
    /// # Errors
    /// The process has too many descriptors.
    pub(in crate::container) fn collect() -> Result<Self> {
        let at = |e| Error::io("can't collect signals", e);
        let set: SigSet = FORWARDED.into_iter().collect();
        let before = SigSet::thread_get_mask().map_err(at)?;
        set.thread_block().map_err(at)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = SignalFd::with_flags(&set, flags).map_err(at)?;
        Ok(Self { fd, before })
    }

    /// Readable when there is one.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The next one, if there is one.
    ///
    /// # Errors
    /// Reading failed.
    pub(super) fn next(&self) -> Result<Option<Signal>> {
        let at = |e| Error::io("can't read a signal", e);
        match self.fd.read_signal().map_err(at)? {
            Some(info) => {
                let number = i32::try_from(info.ssi_signo).unwrap_or_default();
                Signal::try_from(number).map(Some).map_err(at)
            }
            None => Ok(None),
        }
    }
}

impl Drop for Signals {
    /// The mask as it was.
    fn drop(&mut self) {
        if let Err(e) = self.before.thread_set_mask() {
            tracing::debug!("can't restore the signal mask: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::raise;

    use super::*;

    #[test]
    fn signals_are_collected_and_the_mask_comes_back() {
        let before = SigSet::thread_get_mask().unwrap();
        let signals = Signals::collect().unwrap();
        assert_eq!(signals.next().unwrap(), None);
        raise(Signal::SIGTERM).unwrap();
        raise(Signal::SIGHUP).unwrap();
        let got = [signals.next().unwrap().unwrap(), signals.next().unwrap().unwrap()];
        assert!(got.contains(&Signal::SIGTERM) && got.contains(&Signal::SIGHUP));
        drop(signals);
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
    }
}
