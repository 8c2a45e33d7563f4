//! The moment at which the mount is there.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::stop::Stop;
use super::unmount::Target;
use super::{DONE, FAILED, ProcessError, say};

/// What is still to be done when the mount is there.
#[derive(Debug)]
pub(super) struct Readiness {
    /// What standard error becomes; nothing in the foreground.
    null: Option<OwnedFd>,
    answer: Answer,
}

/// The way to the process that waits, and what it will be told.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    waiting: Option<Arc<File>>,
    /// Whether the mount has been there.
    mounted: Arc<AtomicBool>,
    /// Whether something went wrong then, which has been said.
    failed: Arc<AtomicBool>,
}

impl Readiness {
    /// Of a process that nobody waits for.
    pub(super) fn foreground() -> Self {
        Self { null: None, answer: Answer::new(None) }
    }

    /// Of a daemon, which answers through this pipe.
    pub(super) fn background(waiting: OwnedFd, null: OwnedFd) -> Self {
        Self { null: Some(null), answer: Answer::new(Some(File::from(waiting))) }
    }

    pub(super) fn answer(&self) -> Answer {
        self.answer.clone()
    }

    /// Lets the process that waits go; signals unmount from now on. If one has
    /// come already, or nobody waits any more, the mount is undone.
    pub(super) fn mounted(self, target: Target, stop: &Stop) {
        self.answer.mounted.store(true, Ordering::Relaxed);
        let done = stop.mounted(target.mounted()).and_then(|wanted| match wanted {
            true => self.let_go().or_else(|error| stop.now().and(Err(error))),
            // Who waits must not take the mount to be there.
            false if self.null.is_some() => Err(ProcessError::Unwanted),
            false => Ok(()),
        });
        if let Err(error) = done {
            self.answer.failed(&error);
        }
    }

    fn let_go(&self) -> Result<(), ProcessError> {
        let setup = ProcessError::setup;
        let Some(null) = &self.null else { return Ok(()) };
        rustix::process::chdir("/").map_err(setup("leave the working directory"))?;
        rustix::stdio::dup2_stderr(null).map_err(setup("let go of standard error"))?;
        self.answer.send(DONE).map_err(setup("tell that the mount is there"))
    }
}

impl Answer {
    fn new(waiting: Option<File>) -> Self {
        let waiting = waiting.map(Arc::new);
        Self { waiting, mounted: Arc::default(), failed: Arc::default() }
    }

    /// How it went, of a mount that has ended without an error.
    pub(super) fn outcome(&self) -> Result<u8, ProcessError> {
        match (self.mounted.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed)) {
            (true, true) => Ok(FAILED),
            (true, false) => Ok(DONE),
            (false, _) => Err(ProcessError::NeverMounted),
        }
    }

    fn failed(&self, error: &ProcessError) {
        say(&super::say::chain(error));
        self.failed.store(true, Ordering::Relaxed);
    }

    fn send(&self, status: u8) -> Result<(), rustix::io::Errno> {
        let Some(mut waiting) = self.waiting.as_deref() else { return Ok(()) };
        waiting
            .write_all(&[status])
            .map_err(|e| rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::IO))
    }

    /// Tells a status to who waits for the mount, if anybody still does.
    pub(super) fn ended(&self, status: u8) {
        if let Err(errno) = self.send(status) {
            tracing::debug!(%errno, "nobody waits for the mount any more");
        }
    }
}
