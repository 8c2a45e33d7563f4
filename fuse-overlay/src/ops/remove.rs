//! unlink(2) and rmdir(2).
//!
//! What a lower layer would show again gets a whiteout, put in its place with
//! one call. Nothing is copied up to be removed.

use std::ffi::OsStr;
use std::sync::Arc;

use rustix::fs::{self, AtFlags};
use rustix::io::Errno;

use crate::layer::{Kind, Object};
use crate::node::{Id, Identity, Node};
use crate::union::{Found, Union};
use crate::{Result, lock};

impl Union {
    /// Removes a name of a file. Whoever has it open keeps it.
    ///
    /// # Errors
    /// `ENOENT`, `EISDIR`, `EROFS` without an upper layer, and those of its
    /// file system.
    pub fn unlink(&self, parent: Id, name: &OsStr) -> Result<()> {
        let parent = self.table.get(parent)?;
        let name: Arc<OsStr> = Arc::from(name);
        self.upper()?;
        let (node, found) = {
            let _held = self.hold_places();
            let found = self.find(&parent, &name)?.ok_or(Errno::NOENT)?;
            (self.table.known(found.identity), found)
        };
        if found.stat.is_dir() {
            return Err(Errno::ISDIR);
        }
        // Whoever copies it up is waited for, and comes too late after us.
        let _copying = node.as_ref().map(|node| lock(&node.copying));
        let _held = self.hold_places();
        let came_up = node.as_ref().is_some_and(|node| node.is_upper() != found.upper);
        let found = match came_up {
            true => self.find(&parent, &name)?.ok_or(Errno::NOENT)?,
            false => found,
        };
        self.take_file_away(&parent, &name, &found, node.as_ref())
    }

    fn take_file_away(
        &self,
        parent: &Arc<Node>,
        name: &Arc<OsStr>,
        found: &Found,
        node: Option<&Arc<Node>>,
    ) -> Result<()> {
        if found.upper {
            let object = self.upper_object(parent, name)?;
            let pinned = node.map(|_| object.pin()).transpose()?;
            self.take_from_upper(parent, name)?;
            if found.stat.x.stx_nlink <= 1 {
                self.table.unalias(Identity::from(&found.stat));
            }
            if let Some(node) = node {
                self.lose_name(node, parent, name, pinned);
                node.state().one_link(false);
            }
            return Ok(());
        }
        self.bring_dir_up(parent)?;
        self.upper()?.work.whiteout(self.upper_dir(parent)?, name)?;
        if let Some(node) = node {
            // Another name of it may lead to a copy in the upper layer.
            self.lose_name(node, parent, name, None);
            let mut state = node.state();
            state.count_links(found.stat.x.stx_nlink);
            state.one_link(false);
        }
        Ok(())
    }

    /// The node isn't called so any more; what would lead to it otherwise, if
    /// that was the last name.
    pub(crate) fn lose_name(
        &self,
        node: &Arc<Node>,
        parent: &Node,
        name: &OsStr,
        pinned: Option<Arc<std::os::fd::OwnedFd>>,
    ) {
        let mut state = node.state();
        state.drop_name(parent, name);
        if state.name().is_none() && state.upper {
            state.held = pinned;
        }
    }

    /// Takes a file of the upper layer away, and leaves a whiteout if there is
    /// something below that it hid.
    fn take_from_upper(&self, parent: &Arc<Node>, name: &Arc<OsStr>) -> Result<()> {
        let dir = self.upper_dir(parent)?;
        if !self.is_below(parent, name)? {
            return fs::unlinkat(dir, &**name, AtFlags::empty());
        }
        let work = &self.upper()?.work;
        let whiteout = self.work_name();
        work.whiteout(work.dir(), &whiteout)?;
        let moved = fs::renameat(work.dir(), &whiteout, dir, &**name);
        moved.inspect_err(|_| self.throw_away(&whiteout))
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ENOTEMPTY`, and as [`unlink`](Self::unlink).
    pub fn rmdir(&self, parent: Id, name: &OsStr) -> Result<()> {
        let parent = self.table.get(parent)?;
        let name: Arc<OsStr> = Arc::from(name);
        self.upper()?;
        let _held = self.hold_places();
        let found = self.find(&parent, &name)?.ok_or(Errno::NOENT)?;
        if found.stat.kind != Kind::Directory {
            return Err(Errno::NOTDIR);
        }
        let upper = found.upper;
        let stat = found.stat;
        let node = self.tell(&parent, &name, found)?;
        let node = self.table.get(node.id)?;
        let done = self.remove_dir(&parent, &name, &node, upper);
        if done.is_ok() && upper {
            self.table.unalias(Identity::from(&stat));
        }
        // It was told to nobody but us.
        let id = node.id;
        drop(node);
        self.forget(id, 1);
        done
    }

    fn remove_dir(
        &self,
        parent: &Arc<Node>,
        name: &Arc<OsStr>,
        node: &Arc<Node>,
        upper: bool,
    ) -> Result<()> {
        let _copying = lock(&node.copying);
        if !self.is_empty(node)? {
            return Err(Errno::NOTEMPTY);
        }
        if !upper && !node.is_upper() {
            self.bring_dir_up(parent)?;
            self.upper()?.work.whiteout(self.upper_dir(parent)?, name)?;
            self.lose_name(node, parent, name, None);
            return Ok(());
        }
        let pinned = self.upper_dir(node)?;
        self.take_dir_from_upper(parent, name)?;
        self.forget_dir(node.id);
        self.lose_name(node, parent, name, Some(pinned));
        Ok(())
    }

    /// Takes a directory of the upper layer away in which nothing is seen;
    /// whiteouts may be in it.
    pub(crate) fn take_dir_from_upper(&self, parent: &Arc<Node>, name: &Arc<OsStr>) -> Result<()> {
        let dir = self.upper_dir(parent)?;
        let below = self.is_below(parent, name)?;
        if !below {
            match fs::unlinkat(&dir, &**name, AtFlags::REMOVEDIR) {
                Err(Errno::NOTEMPTY) => {}
                done => return done,
            }
        }
        let work = &self.upper()?.work;
        let aside = self.work_name();
        if below {
            work.whiteout(work.dir(), &aside)?;
            let swapped = crate::union::exchange(work.dir(), &aside, &dir, name);
            swapped.inspect_err(|_| self.throw_away(&aside))?;
        } else {
            fs::renameat(&dir, &**name, work.dir(), &aside)?;
        }
        self.throw_away(&aside);
        Ok(())
    }

    /// Sets an object's place free of a directory that nothing is seen in, so
    /// that something can be moved over it.
    pub(crate) fn empty_dir(&self, dir: &Object) -> Result<()> {
        let fd = dir.open(rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY)?;
        crate::union::clear(&fd)
    }
}
