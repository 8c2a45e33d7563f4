//! What a case is given: the driver's factory, a root directory of its own,
//! and room beside it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use graphdriver_api::{DriverFactory, DriverOptions};

use super::files::{Files, make_dir};
use super::stop::{Stop, Verdict, When};
use super::store::Store;
use super::subject::Subject;

/// One case's world.
#[derive(Debug)]
pub struct Context<'a> {
    subject: &'a Subject,
    dir: PathBuf,
}

impl<'a> Context<'a> {
    /// A world in `dir`, which is there and empty.
    pub(super) fn new(subject: &'a Subject, dir: PathBuf) -> Self {
        Self { subject, dir }
    }

    /// The driver's factory.
    pub(super) fn factory(&self) -> &'a dyn DriverFactory {
        self.subject.factory()
    }

    /// The driver's name, only to be compared with what the driver says of
    /// itself: a case never depends on which one it is.
    pub(super) fn driver_name(&self) -> &'static str {
        self.factory().name()
    }

    /// The options that the driver is opened with.
    pub(super) fn options(&self) -> &DriverOptions {
        self.subject.options()
    }

    /// Writes to an open file through a shared mapping.
    pub(super) fn write_mapped(&self, file: &OwnedFd, offset: u64, bytes: &[u8]) -> Verdict {
        let write = self.subject.map_write();
        let write = write.ok_or_else(|| Stop::failed("no way to map memory"))?;
        write(file.as_fd(), offset, bytes).when("write through a mapping")
    }

    /// The driver's root. Not made before it is opened.
    pub(super) fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// The directory in which the root is.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A directory beside the root, for the case to use.
    pub(super) fn room(&self, name: &str) -> Verdict<PathBuf> {
        let path = self.dir.join(format!("room-{name}"));
        make_dir(&path)?;
        Ok(path)
    }

    /// Opens the driver on its root; once more, if it is open already.
    pub(super) fn open(&self) -> Verdict<Store> {
        Ok(Store::new(self.factory().open(&self.root(), self.options())?))
    }

    /// Tries something on a plain directory of the file system that the
    /// driver's root is on. If it doesn't work there, the case is not run:
    /// it would show what the medium can't do, not what the driver can't.
    pub(super) fn medium_can(
        &self,
        what: &str,
        attempt: impl FnOnce(&Files) -> Verdict,
    ) -> Verdict {
        let room = Files::of(&self.room("medium")?)?;
        attempt(&room).map_err(|stop| match stop {
            Stop::Failed(why) => {
                Stop::NotRun(format!("the file system under test can't {what} ({why})"))
            }
            not_run @ Stop::NotRun(_) => not_run,
        })
    }
}
