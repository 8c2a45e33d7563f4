//! link(2).

use std::ffi::OsStr;
use std::sync::Arc;

use rustix::fs;
use rustix::io::Errno;

use super::Attributes;
use crate::Result;
use crate::copy_up::link;
use crate::layer::{Object, absent_is_none};
use crate::node::{Id, Identity};
use crate::union::{Found, Union};

impl Union {
    /// Gives a file one more name.
    ///
    /// # Errors
    /// `EEXIST`; `ENOENT` for a file that has no name any more; as
    /// [`change`](Self::change).
    pub fn link(&self, id: Id, parent: Id, name: &OsStr) -> Result<Attributes> {
        let node = self.table.get(id)?;
        let parent = self.table.get(parent)?;
        let name: Arc<OsStr> = Arc::from(name);
        self.bring_up(&node)?;
        self.fill(&node)?;
        let _held = self.hold_places();
        self.bring_dir_up(&parent)?;
        let object = self.object(&node)?;
        let dir = self.upper_dir(&parent)?;
        let place = Object::At(dir.clone(), name.clone());
        match absent_is_none(place.stat())? {
            None => link(&object, &dir, &name)?,
            Some(stat) if stat.is_whiteout() => {
                let made = self.work_name();
                let shop = self.upper()?.work.dir();
                link(&object, shop, &made)?;
                let moved = fs::renameat(shop, &made, &dir, &*name);
                moved.inspect_err(|_| self.throw_away(&made))?;
            }
            Some(_) => return Err(Errno::EXIST),
        }
        node.state().one_link(true);
        self.changed_names(&node, &object, 1)?;
        let stat = place.stat()?;
        self.table.alias(Identity::from(&stat), &node);
        self.tell(&parent, &name, Found::new_in_upper(stat))
    }
}
