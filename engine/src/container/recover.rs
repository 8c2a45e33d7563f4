//! What is left of containers whose engine was killed, or lost its power.

use std::os::fd::OwnedFd;
use std::time::SystemTime;

use graphdriver_api::NodeRef;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use super::Containers;
use super::cgroup::{self, Layout};
use super::error::{Error, ErrorKind, Result};
use super::monitor::ProcessId;
use super::records::{self, End, Phase, Record};
use super::run::draft_of;
use super::standstill;
use super::state::{Life, StateDir};
use crate::store::Durability;

/// The exit status of a container that nobody saw end: as if by SIGKILL, which
/// is what happened to it.
const KILLED: u8 = 137;

/// How long a killed process may take to be gone. It has no say in it; only a
/// device that doesn't answer can hold it up.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

impl Containers<'_> {
    /// Settles every container that is recorded as running and isn't, removes
    /// folders that belong to none, and lets go on what was paused by who died. Called by every command on
    /// containers, because there is no daemon to do it.
    ///
    /// Cost: one query where there is nothing to do.
    ///
    /// # Errors
    /// The store or the driver fails; what could be settled, is.
    pub fn recover(&self) -> Result<()> {
        for record in self.engine.store().read(records::unfinished)? {
            self.settle(&record)?;
        }
        let store = self.engine.store();
        let unfinished = |record: &Record| record.phase == Phase::Running;
        self.state
            .sweep(|id| store.read(|c| Ok(records::by_id(c, id)?.as_ref().is_some_and(unfinished))))
    }

    fn settle(&self, record: &Record) -> Result<()> {
        let dir = match self.state.life(&record.id)? {
            Life::Alive(_) => {
                return standstill::end_forgotten(&record.id, &self.state.path_of(&record.id));
            }
            Life::Dead(dir) => Some(dir),
            // The machine was restarted.
            Life::Absent => None,
        };
        // Its engine may have noted the end since this was read, and let go.
        let Some(record) = self.still_unfinished(record)? else {
            return Ok(());
        };
        end_leftovers(&record.id, dir.as_ref())?;
        self.note_end(record)?;
        dir.map_or(Ok(()), StateDir::remove)
    }

    fn still_unfinished(&self, record: &Record) -> Result<Option<Record>> {
        let now = self.engine.store().read(|c| records::by_id(c, &record.id))?;
        Ok(now.filter(|r| r.phase == record.phase))
    }

    fn note_end(&self, mut record: Record) -> Result<()> {
        if record.details.remove {
            return match self.delete(&record) {
                // Another command removes it, or looks at its tree.
                Err(e) if e.kind() == ErrorKind::Busy => Ok(()),
                deleted => deleted,
            };
        }
        if !self.has_tree(&record)? {
            // Its engine died before it had made one. Nothing ever ran in it.
            tracing::warn!("the container {} has no tree, and is forgotten", record.name);
            return self.forget(&record);
        }
        record.details.end = Some(End { status: KILLED, at: SystemTime::now() });
        self.engine.store().write(Durability::Later, |t| records::finish(t, &record))?;
        self.count(&record.id);
        Ok(())
    }

    fn has_tree(&self, record: &Record) -> Result<bool> {
        match self.engine.driver().stat(NodeRef::Draft(&draft_of(record)?)) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == graphdriver_api::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}

/// Ends whatever a container without a monitor still has: processes and control
/// groups.
pub(super) fn end_leftovers(id: &str, dir: Option<&StateDir>) -> Result<()> {
    if let Some(running) = dir.map(StateDir::noted).transpose()?.flatten() {
        end_process(running.process)?;
    }
    end_group(id)
}

/// Kills a container's first process, if it still is that one, and waits until
/// it is gone. All others in its process namespace go with it.
pub(super) fn end_process(process: ProcessId) -> Result<()> {
    let Some(handle) = process.open()? else {
        return Ok(());
    };
    process.kill()?;
    wait_for(&handle)
}

fn wait_for(handle: &OwnedFd) -> Result<()> {
    let mut fds = [PollFd::new(handle, PollFlags::IN)];
    let ready = retry_on_intr(|| poll(&mut fds, Some(&PATIENCE)))
        .map_err(|e| Error::io("can't wait for a container's process", e))?;
    match ready {
        0 => Err(Error::invalid("a container's process was killed and doesn't end")),
        _ => Ok(()),
    }
}

/// Kills what is left in a container's control groups, and removes them.
fn end_group(id: &str) -> Result<()> {
    let (layout, group) = (Layout::probe()?, cgroup::path_of(id));
    for process in cgroup::members(&layout, &group)? {
        end_process(process)?;
    }
    cgroup::remove(&layout, &group)
}
