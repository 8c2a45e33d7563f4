//! rename(2) and renameat2(2).
//!
//! A file is copied up and moved; a directory that has something below is moved
//! with a mark that says where that is. What the old place would show again is
//! hidden by a whiteout, in the same call.

use std::ffi::OsStr;
use std::sync::Arc;

use rustix::fs::{self, RenameFlags, XattrFlags};
use rustix::io::Errno;

use crate::Result;
use crate::format::Redirect;
use crate::layer::{Object, absent_is_none};
use crate::node::{Id, Identity, Lower, Node};
use crate::union::Union;

/// How something is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenameMode {
    /// What has the new name is replaced.
    Replace,
    /// Nothing may have the new name.
    NoReplace,
    /// The two change places.
    Exchange,
}

/// A name in a directory.
struct Place {
    parent: Arc<Node>,
    name: Arc<OsStr>,
}

/// What is in the upper layer where something is to go.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Target {
    Nothing,
    Whiteout,
    File,
    Directory,
}

impl Union {
    /// Moves a file or a directory.
    ///
    /// # Errors
    /// `EXDEV` for a directory of a lower layer where moving them is switched
    /// off; `EEXIST`, `ENOTEMPTY`, and as [`change`](Self::change).
    pub fn rename(&self, from: (Id, &OsStr), to: (Id, &OsStr), mode: RenameMode) -> Result<()> {
        let from = self.place(from)?;
        let to = self.place(to)?;
        self.upper()?;
        let Some(source) = self.node_at(&from)? else { return Err(Errno::NOENT) };
        let target = self.node_at(&to)?;
        match (&target, mode) {
            (Some(_), RenameMode::NoReplace) => return Err(Errno::EXIST),
            (None, RenameMode::Exchange) => return Err(Errno::NOENT),
            (Some(target), _) if Arc::ptr_eq(target, &source) => return Ok(()),
            _ => {}
        }
        self.may_move(&source)?;
        self.bring_name_up(&source, &from)?;
        if let (Some(target), RenameMode::Exchange) = (&target, mode) {
            self.may_move(target)?;
            self.bring_name_up(target, &to)?;
        }
        {
            let _held = self.hold_places();
            self.bring_dir_up(&to.parent)?;
        }
        let _changing = self.change_places();
        match (mode, target) {
            (RenameMode::Exchange, Some(target)) => self.swap(&from, &source, &to, &target),
            (_, target) => self.shift(&from, &source, &to, target.as_ref()),
        }
    }

    fn place(&self, (parent, name): (Id, &OsStr)) -> Result<Place> {
        Ok(Place { parent: self.table.get(parent)?, name: Arc::from(name) })
    }

    /// The node that has that name. The kernel has looked it up before.
    fn node_at(&self, place: &Place) -> Result<Option<Arc<Node>>> {
        let _held = self.hold_places();
        let Some(found) = self.find(&place.parent, &place.name)? else { return Ok(None) };
        let told = self.tell(&place.parent, &place.name, found)?;
        let node = self.table.get(told.id)?;
        self.forget(told.id, 1);
        Ok(Some(node))
    }

    /// Has a node in the upper layer, under this name of it.
    fn bring_name_up(&self, node: &Arc<Node>, place: &Place) -> Result<()> {
        self.bring_up(node)?;
        if node.is_dir() {
            return Ok(());
        }
        // Where it goes to, what is below couldn't be found any more.
        self.fill(node)?;
        let _held = self.hold_places();
        // It may have been copied up by another name, and this one lead below.
        self.link_up(node, &place.parent, &place.name)
    }

    fn may_move(&self, node: &Arc<Node>) -> Result<()> {
        let stays = node.is_dir() && self.is_merged(node) && !self.settings.redirect;
        if stays { Err(Errno::XDEV) } else { Ok(()) }
    }

    fn shift(
        &self,
        from: &Place,
        source: &Arc<Node>,
        to: &Place,
        target: Option<&Arc<Node>>,
    ) -> Result<()> {
        if let Some(dir) = target.filter(|target| target.is_dir())
            && !self.is_empty(dir)?
        {
            return Err(Errno::NOTEMPTY);
        }
        let (old, new) = (self.upper_dir(&from.parent)?, self.upper_dir(&to.parent)?);
        let there = self.in_upper(to)?;
        let shows_again = self.is_below(&from.parent, &from.name)?;
        self.mark_moved(source, to)?;
        let pinned = match there {
            Target::File | Target::Directory => Some(self.upper_object_at(to)?.pin()?),
            _ => None,
        };
        if there == Target::Directory {
            self.clear_for(to)?;
        }
        match (there, shows_again) {
            (Target::Whiteout, true) => {
                crate::union::exchange(&old, &from.name, &new, &to.name)?;
            }
            (Target::Whiteout, false) if source.is_dir() => {
                crate::union::exchange(&old, &from.name, &new, &to.name)?;
                // The whiteout that is there now hides nothing.
                fs::unlinkat(&old, &*from.name, fs::AtFlags::empty())?;
            }
            (_, true) => {
                fs::renameat_with(&old, &*from.name, &new, &*to.name, RenameFlags::WHITEOUT)?;
            }
            (_, false) => fs::renameat(&old, &*from.name, &new, &*to.name)?,
        }
        if let Some(target) = target {
            self.replaced(target, to, pinned);
        }
        self.moved(source, from, to);
        Ok(())
    }

    fn swap(&self, from: &Place, source: &Arc<Node>, to: &Place, target: &Arc<Node>) -> Result<()> {
        let (old, new) = (self.upper_dir(&from.parent)?, self.upper_dir(&to.parent)?);
        self.mark_moved(source, to)?;
        self.mark_moved(target, from)?;
        crate::union::exchange(&old, &from.name, &new, &to.name)?;
        self.moved(source, from, to);
        self.moved(target, to, from);
        Ok(())
    }

    /// Has a directory say where its lower parts are, or that it has none where
    /// it goes to something that has.
    fn mark_moved(&self, node: &Arc<Node>, to: &Place) -> Result<()> {
        if !node.is_dir() {
            return Ok(());
        }
        let object = Object::Open(self.upper_dir(node)?);
        let lowers = node.lowers();
        match lowers.first().and_then(|dir| dir.path.as_ref()) {
            Some(path) => {
                let redirect = Redirect::Path(path.names());
                let value = redirect.value();
                if !self.is_found_by(redirect, node)? {
                    return Err(Errno::XDEV);
                }
                let name = OsStr::new(self.marks().redirect);
                object.set_xattr(name, &value, XattrFlags::empty()).map_err(too_long)
            }
            None if self.is_merged(&to.parent) => self.make_opaque(&object),
            None => Ok(()),
        }
    }

    fn in_upper(&self, place: &Place) -> Result<Target> {
        Ok(match absent_is_none(self.upper_object_at(place)?.stat())? {
            None => Target::Nothing,
            Some(stat) if stat.is_whiteout() => Target::Whiteout,
            Some(stat) if stat.is_dir() => Target::Directory,
            Some(_) => Target::File,
        })
    }

    fn upper_object_at(&self, place: &Place) -> Result<Object> {
        self.upper_object(&place.parent, &place.name)
    }

    /// Has nothing in the way in a directory that is to be replaced: whiteouts
    /// would be. It is opaque before they go, so nothing comes to light.
    fn clear_for(&self, place: &Place) -> Result<()> {
        let object = self.upper_object_at(place)?;
        self.make_opaque(&object)?;
        self.empty_dir(&object)
    }

    fn replaced(
        &self,
        target: &Arc<Node>,
        place: &Place,
        pinned: Option<Arc<std::os::fd::OwnedFd>>,
    ) {
        if target.is_dir() {
            self.forget_dir(target.id);
        }
        if let Some(fd) = &pinned
            && let Ok(stat) = crate::layer::Stat::of(fd)
            && (stat.x.stx_nlink == 0 || target.is_dir())
        {
            self.table.unalias(Identity::from(&stat));
        }
        if let Some(pinned) = &pinned
            && !target.is_dir()
        {
            // The name is gone; a mark that couldn't be written tells a number
            // of links that is wrong by one, and nothing else.
            if let Err(error) = self.changed_names(target, &Object::Open(pinned.clone()), -1) {
                tracing::warn!(%error, "the number of links isn't noted");
            }
        }
        let lower = (!target.is_upper() && !target.is_dir()).then(|| self.object(target));
        let links = lower.and_then(Result::ok).and_then(|lower| lower.stat().ok());
        self.lose_name(target, &place.parent, &place.name, pinned);
        match links {
            Some(stat) => self.count_lower_names(target, stat.x.stx_nlink),
            None => target.state().one_link(false),
        }
    }

    fn moved(&self, node: &Arc<Node>, from: &Place, to: &Place) {
        let mut state = node.state();
        state.drop_name(&from.parent, &from.name);
        state.add_name(&to.parent, &to.name);
        if !node.is_dir() && !matches!(state.lower, Lower::File(_)) {
            state.lower = Lower::Nothing;
        }
    }
}

/// A mark that the file system has no room for: the directory can't be moved
/// as one.
fn too_long(error: Errno) -> Errno {
    match error {
        Errno::TOOBIG | Errno::RANGE | Errno::NOSPC => Errno::XDEV,
        other => other,
    }
}
