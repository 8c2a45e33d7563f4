//! A running container that stands still while its tree is read.
//!
//! Who stops it may be killed, and nobody could let the container go on by hand. So
//! there is a note in the container's folder, locked for as long as it stands still
//! on purpose; a note that nobody locks is a standstill that was forgotten, and every
//! command on containers ends it.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, ftruncate};
use rustix::io::{Errno, retry_on_intr, write};

use super::cgroup::{self, Layout};
use super::error::{Error, Result};

/// In the container's folder: not empty while the container stands still.
const NOTE: &str = "still";

/// The container stands still until this is dropped.
#[derive(Debug)]
#[must_use = "the container goes on when this is dropped"]
pub(super) struct Standstill {
    layout: Layout,
    group: PathBuf,
    note: File,
    /// Whether it stands still because of this.
    ours: bool,
}

impl Standstill {
    /// Stops the container `id`, whose folder is `dir`. `None` if it has just ended, or
    /// stands still because of somebody else, whose business it is to end that. Waits for another standstill to end.
    ///
    /// # Errors
    /// It can't be stopped.
    pub(super) fn of(id: &str, dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(NOTE);
        let at = |e: std::io::Error| Error::io_at("note a pause in", &path, e);
        let mut options = File::options();
        let note = match options.read(true).write(true).create(true).truncate(false).open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            note => note.map_err(at)?,
        };
        retry_on_intr(|| flock(&note, FlockOperation::LockExclusive)).map_err(|e| at(e.into()))?;
        write(&note, b"1").map_err(|e| at(e.into()))?;
        let layout = Layout::probe()?;
        // Ends on an error too.
        let mut still = Self { layout, group: cgroup::path_of(id), note, ours: true };
        still.ours = cgroup::freeze(&still.layout, &still.group)?;
        Ok(still.ours.then_some(still))
    }

    fn end(&self) -> Result<()> {
        if self.ours {
            cgroup::thaw(&self.layout, &self.group)?;
        }
        note_end(&self.note)
    }
}

fn note_end(note: &File) -> Result<()> {
    ftruncate(note, 0).map_err(|e| Error::io("can't note the end of a pause", e))
}

impl Drop for Standstill {
    fn drop(&mut self) {
        if let Err(e) = self.end() {
            tracing::warn!("a container may be paused until the next command: {e}");
        }
    }
}

/// Ends a standstill whose maker is dead.
///
/// Cost: one look-up where there was none.
///
/// # Errors
/// The note can't be read, or the container can't be let go on.
pub(super) fn end_forgotten(id: &str, dir: &Path) -> Result<()> {
    let path = dir.join(NOTE);
    let at = |e: std::io::Error| Error::io_at("read", &path, e);
    let note = match File::options().read(true).write(true).open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        note => note.map_err(at)?,
    };
    match flock(&note, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(()),
        locked => locked.map_err(|e| at(e.into()))?,
    }
    if note.metadata().map_err(at)?.len() == 0 {
        return Ok(());
    }
    cgroup::thaw(&Layout::probe()?, &cgroup::path_of(id))?;
    note_end(&note)
}
