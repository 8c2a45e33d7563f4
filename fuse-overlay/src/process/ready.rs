//! The moment at which the mount is there.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

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

/// The way to the process that waits, and what this one will exit with.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    waiting: Option<Arc<File>>,
    status: Arc<AtomicU8>,
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

    /// Lets the process that waits go, and signals unmount from now on. If one
    /// has come already, or nobody waits any more, the mount is undone.
    pub(super) fn mounted(self, target: Target, stop: &Stop) {
        let target = target.mounted();
        if let Err(error) = self.let_go() {
            self.answer.failed(&error);
            stop.now();
        }
        if let Err(error) = stop.mounted(target) {
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
        Self { waiting: waiting.map(Arc::new), status: Arc::new(AtomicU8::new(DONE)) }
    }

    /// What to exit with if the mount ended well.
    pub(super) fn status(&self) -> u8 {
        self.status.load(Ordering::Relaxed)
    }

    fn failed(&self, error: &ProcessError) {
        say(&super::say::chain(error));
        self.status.store(FAILED, Ordering::Relaxed);
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
