//! Finding nodes, and forgetting them.

use std::ffi::OsStr;
use std::sync::Arc;

use rustix::io::Errno;

use super::Attributes;
use crate::Result;
use crate::node::{Id, Name, Node};
use crate::union::{Found, Union};

/// The longest name, in bytes (limits.h).
const NAME_MAX: usize = 255;

impl Union {
    /// What is called `name` in a directory; `None` if nothing is. The kernel
    /// knows of the node from then on, until it [forgets](Self::forget) it.
    ///
    /// # Errors
    /// Of the layers' file systems; `ESTALE` for a number that isn't known;
    /// `ENAMETOOLONG`, because FUSE lets longer names through than there can be.
    pub fn look_up(&self, parent: Id, name: &OsStr) -> Result<Option<Attributes>> {
        if name.len() > NAME_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        let parent = self.table.get(parent)?;
        let _held = self.hold_places();
        let name = Arc::from(name);
        match self.find(&parent, &name)? {
            Some(found) => self.tell_all(&parent, &name, found).map(Some),
            None => Ok(None),
        }
    }

    /// As [`tell`](Self::tell); and a name that only the index leads to the copy
    /// is made in the upper layer.
    pub(crate) fn tell_all(
        &self,
        parent: &Arc<Node>,
        name: &Arc<OsStr>,
        found: Found,
    ) -> Result<Attributes> {
        let by_index = found.indexed.is_some() && !found.upper;
        let told = self.tell(parent, name, found)?;
        if by_index {
            let node = self.table.get(told.id)?;
            // It is found all the same, so a look-up doesn't fail for it.
            if let Err(error) = self.link_up(&node, parent, name) {
                tracing::warn!(%error, ?name, "a link isn't made in the upper directory");
            }
        }
        Ok(told)
    }

    /// Makes a node of what was found, and tells of it.
    pub(crate) fn tell(
        &self,
        parent: &Arc<Node>,
        name: &Arc<OsStr>,
        found: Found,
    ) -> Result<Attributes> {
        let (stat, upper) = (found.stat, found.upper_ino());
        let same = |known: &Node| known.kind == stat.kind && known.is(upper);
        let node = self.table.meet(found.identity, same, |id| {
            let name = Name { parent: parent.clone(), name: name.clone() };
            Node::new(id, stat.kind, Some(name), upper, found.lower)
        });
        let mut state = node.state();
        state.seen_as(parent, name, found.upper);
        if let Some(indexed) = found.indexed {
            let names = i64::from(stat.x.stx_nlink) + indexed.more;
            state.index_at(indexed, names);
        }
        drop(state);
        // A link to what was copied up by another name: the copy is what counts.
        let stat =
            if node.is_upper() == found.upper { stat } else { self.object(&node)?.stat()? };
        self.shown(&node, stat)
    }

    /// The kernel forgets that many of the times it was told of a node.
    pub fn forget(&self, id: Id, times: u64) {
        if self.table.forget(id, times) {
            self.forget_files(id);
            self.forget_dir(id);
        }
    }
}
