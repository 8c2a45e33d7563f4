//! `rm`: removing containers.

use super::Containers;
use super::error::{Error, ErrorKind, Result};
use super::records::{self, Record};
use super::recover::end_process;
use super::state::{Life, StateDir};

impl Containers<'_> {
    /// Removes the container that `given` means: a name, an id, or the
    /// beginning of an id. With `force`, a running one is killed first.
    /// Gives its id.
    ///
    /// # Errors
    /// `NotFound`, `Ambiguous`, `Running`; the driver's.
    pub fn remove(&self, given: &str, force: bool) -> Result<String> {
        self.recover()?;
        let record = self.engine.store().read(|c| records::find(c, given))?;
        let dir = match self.state.life(&record.id)? {
            Life::Alive(_) if !force => return Err(running(&record)),
            Life::Alive(started) => {
                if let Some(started) = started {
                    end_process(started.process)?;
                }
                // Its engine takes the tree down and notes the end.
                self.state.wait(&record.id)?
            }
            Life::Dead(dir) => Some(dir),
            Life::Absent => None,
        };
        self.delete(&record)?;
        dir.map_or(Ok(()), StateDir::remove)?;
        Ok(record.id)
    }
}

fn running(record: &Record) -> Error {
    let message = format!(
        "the container {} is running: end it first, or remove it with --force",
        record.name
    );
    Error::new(ErrorKind::Running, message)
}
