//! What stat(2) shows, and what chmod(2), chown(2), truncate(2) and
//! utimensat(2) change.

use std::sync::Arc;

use rustix::fs::{OFlags, StatxTimestamp, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, ftruncate};

use super::Attributes;
use crate::Result;
use crate::layer::{Kind, Object, Stat};
use crate::node::{Id, Lower, Node};
use crate::union::Union;

/// What is to be changed of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// Permissions and set-id bits.
    pub mode: Option<u32>,
    /// The owner.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
    /// The length, in bytes.
    pub size: Option<u64>,
    /// When it was read last.
    pub accessed: Option<SetTime>,
    /// When it was written last.
    pub modified: Option<SetTime>,
}

/// A time to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetTime {
    /// The time at which it is set.
    Now,
    /// Seconds and nanoseconds since 1970.
    At(i64, u32),
}

impl SetTime {
    fn spec(time: Option<Self>) -> Timespec {
        match time {
            None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            Some(Self::Now) => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
            Some(Self::At(sec, nsec)) => Timespec { tv_sec: sec, tv_nsec: nsec.into() },
        }
    }
}

impl Union {
    /// What stat(2) shows.
    ///
    /// # Errors
    /// As [`look_up`](Self::look_up).
    pub fn attributes(&self, id: Id) -> Result<Attributes> {
        let node = self.table.get(id)?;
        let _held = self.hold_places();
        let stat = self.object(&node)?.stat()?;
        self.shown(&node, stat)
    }

    /// What is shown of a node whose attributes are `stat`.
    pub(crate) fn shown(&self, node: &Arc<Node>, mut stat: Stat) -> Result<Attributes> {
        // Such a copy has the attributes only, and no blocks.
        let below = node.data_below();
        let state = node.state();
        let merged = matches!(&state.lower, Lower::Directories(dirs)
            if dirs.len() + usize::from(state.upper) > 1);
        let links = match node.kind {
            _ if self.settings.static_links => 1,
            // As the kernel: nobody has counted the directories in it.
            Kind::Directory if merged => 1,
            _ => state.links(stat.x.stx_nlink),
        };
        drop(state);
        if let Some(file) = below {
            stat.x.stx_blocks = self.lower_object(&file)?.stat()?.x.stx_blocks;
        }
        self.settings.owners.show(&mut stat);
        Ok(Attributes { id: node.id, stat, links })
    }

    /// Changes attributes, of a copy in the upper layer.
    ///
    /// # Errors
    /// As [`look_up`](Self::look_up); `EROFS` without an upper layer;
    /// `EOVERFLOW` for an owner that can't be stored; those of a copy that couldn't be made, after which nothing has changed.
    pub fn change(&self, id: Id, change: &Change) -> Result<Attributes> {
        let node = self.table.get(id)?;
        let owners = &self.settings.owners;
        let uid = change.uid.map(|uid| owners.stored_user(uid)).transpose()?;
        let gid = change.gid.map(|gid| owners.stored_group(gid)).transpose()?;
        if self.changes_nothing(&node, change)? {
            return self.attributes(id);
        }
        self.bring_up(&node)?;
        if change.size.is_some() {
            self.fill(&node)?;
        }
        let _held = self.hold_places();
        let object = self.object(&node)?;
        if uid.is_some() || gid.is_some() {
            object.chown(uid, gid)?;
        }
        if let Some(mode) = change.mode {
            object.chmod(mode & 0o7777)?;
        }
        if let Some(size) = change.size {
            truncate(&object, size)?;
        }
        if change.accessed.is_some() || change.modified.is_some() {
            object.set_times(&Timestamps {
                last_access: SetTime::spec(change.accessed),
                last_modification: SetTime::spec(change.modified),
            })?;
        }
        let stat = object.stat()?;
        self.shown(&node, stat)
    }

    /// Whether a lower file has the times already that it is to have. The kernel
    /// sends those that it knows when a name was removed, and nothing is copied
    /// up to be removed.
    fn changes_nothing(&self, node: &Arc<Node>, change: &Change) -> Result<bool> {
        let times =
            Change { accessed: change.accessed, modified: change.modified, ..Change::default() };
        if node.is_upper() || *change != times {
            return Ok(false);
        }
        let _held = self.hold_places();
        let x = self.object(node)?.stat()?.x;
        let is = |wanted: Option<SetTime>, has: StatxTimestamp| {
            wanted.is_none_or(|wanted| wanted == SetTime::At(has.tv_sec, has.tv_nsec))
        };
        Ok(is(change.accessed, x.stx_atime) && is(change.modified, x.stx_mtime))
    }
}

fn truncate(object: &Object, size: u64) -> Result<()> {
    ftruncate(object.open(OFlags::WRONLY)?, size)
}
