//! The file through which the host learns what happened, in whatever way the guest ends.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::guest::{Step, during};
use crate::job::{EVENTS_FILE, Event, RUN_MOUNT};

pub(crate) struct Events(File);

impl Events {
    pub(crate) fn open() -> Step<Self> {
        let path = Path::new(RUN_MOUNT).join(EVENTS_FILE);
        let file = OpenOptions::new().append(true).open(&path).map_err(during(path.display()))?;
        Ok(Self(file))
    }

    /// On the host's side when this returns: a panic right after doesn't lose it.
    pub(crate) fn write(&mut self, event: &Event) -> Step<()> {
        let mut line = serde_json::to_vec(event).map_err(during("write an event"))?;
        line.push(b'\n');
        self.0.write_all(&line).map_err(during("write an event"))?;
        self.0.sync_data().map_err(during("flush an event"))
    }
}
