//! Turns the model's "now" into times that a file system can have meant.

use std::collections::HashMap;

use rustix::time::{ClockId, clock_gettime};

use crate::snapshot::{Snapshot, Timestamp, When};
use crate::tree::{Ino, Mtime, Tree};

/// When each step happened, and which times it has left.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Beginning and end of each step.
    steps: Vec<(Timestamp, Timestamp)>,
    /// Times that were seen: from then on they must stay.
    seen: HashMap<(Ino, Mtime), Timestamp>,
}

impl Clock {
    /// The number of the step that is taken next.
    pub(super) fn next(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }

    /// When a step begins: files get the time of the last tick of the clock.
    pub(super) fn begin(&self) -> Timestamp {
        read(ClockId::RealtimeCoarse)
    }

    /// Takes a step that has ended now.
    pub(super) fn end(&mut self, began: Timestamp) {
        self.steps.push((began, read(ClockId::Realtime)));
    }

    /// What is known about a file's time.
    pub(super) fn when(&self, ino: Ino, mtime: Mtime) -> When {
        let Some((first, last)) = mtime.steps else {
            return mtime.exact.map_or(When::Any, When::At);
        };
        if let Some(seen) = self.seen.get(&(ino, mtime)) {
            return When::At(*seen);
        }
        let at = |step: u32| self.steps.get(usize::try_from(step).unwrap_or(usize::MAX));
        match (at(first), at(last), mtime.exact) {
            (Some((from, _)), Some((_, to)), None) => When::Between(*from, *to),
            (Some((from, _)), Some((_, to)), Some(exact)) => When::AtOrBetween(exact, *from, *to),
            _ => When::Any,
        }
    }

    /// Remembers the times of a tree that is as it should be.
    pub(super) fn remember(&mut self, tree: &Tree, actual: &Snapshot) {
        for (path, ino) in tree.paths() {
            let mtime = tree.node(ino).map(|node| node.mtime).filter(|m| m.steps.is_some());
            if let (Some(mtime), Some(entry)) = (mtime, actual.get(&path))
                && let When::At(time) = entry.mtime
            {
                self.seen.insert((ino, mtime), time);
            }
        }
    }
}

fn read(clock: ClockId) -> Timestamp {
    let time = clock_gettime(clock);
    Timestamp { sec: time.tv_sec, nsec: u32::try_from(time.tv_nsec).unwrap_or(0) }
}
