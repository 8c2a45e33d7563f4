//! Bringing what is to be changed into the upper layer.
//!
//! A copy is made out of sight and gets its name, whole, with one system call.
//! Until then the lower one is seen; a copy that fails, or is cut off, leaves
//! nothing that anybody could see.
//!
//! # Order of locks
//!
//! A file's `copying`, then the places, then a directory's `copying`, then a
//! node's state. The places are never taken twice by one thread: a writer that
//! waits in between would wait for ever.

mod attributes;
mod data;

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{
    self, AtFlags, CWD, Mode, OFlags, RenameFlags, Timespec, Timestamps, fsync, openat,
};
use rustix::io::Errno;

use crate::layer::{Kind, Object, Stat};
use crate::node::{Identity, Lower, Name, Node};
use crate::union::{Indexed, Union};
use crate::{Result, lock};

use attributes::copy_attributes;
pub(crate) use data::write_all;

/// A copy that has no name in the upper layer yet.
enum Copy {
    /// It has no name at all.
    Nameless(Arc<OwnedFd>),
    /// It has one in the work directory.
    Named(OsString),
}

impl Union {
    /// Has a file in the upper layer. The caller must not hold the places.
    ///
    /// Cost: nothing if it is there; else a copy of the file.
    pub(crate) fn bring_up(&self, node: &Arc<Node>) -> Result<()> {
        if node.is_upper() {
            return Ok(());
        }
        if node.is_dir() {
            let _held = self.hold_places();
            return self.bring_dir_up(node);
        }
        let _copying = lock(&node.copying);
        self.bring_up_locked(node)
    }

    /// The same by whoever holds the file's `copying`.
    pub(crate) fn bring_up_locked(&self, node: &Arc<Node>) -> Result<()> {
        if node.is_upper() {
            return Ok(());
        }
        self.upper()?;
        let lower = self.object(node)?;
        let stat = lower.stat()?;
        let mark = self.origin_mark(&lower, &stat);
        let index = self.index_name(&stat, mark.as_deref());
        // A file with several names isn't the same after the next mount unless
        // it is in the index: the other names still lead to the lower one.
        let lasts = stat.x.stx_nlink == 1 || index.is_some();
        let copy = self.copy(&lower, &stat, mark.as_deref().filter(|_| lasts))?;
        let names = i64::from(node.state().links(stat.x.stx_nlink));
        let index = index.map(|name| (Arc::from(name), names));
        let done = self.publish(node, &copy, index);
        if done.is_ok() && !lasts {
            // Its other names lead to the lower file, by which it must be known.
            self.table.keep(node);
            node.state().count_links(stat.x.stx_nlink);
        }
        if let (Err(_), Copy::Named(name)) = (&done, &copy) {
            self.throw_away(name);
        }
        done
    }

    /// Has a file's content in the upper layer, where the kernel may have made a
    /// copy without. The caller must not hold the places.
    ///
    /// Until it is whole the mark stays, and the content is the lower file's.
    pub(crate) fn fill(&self, node: &Arc<Node>) -> Result<()> {
        let _copying = lock(&node.copying);
        let Some(file) = node.data_below() else { return Ok(()) };
        let _held = self.hold_places();
        let upper = self.object(node)?;
        let stat = upper.stat()?;
        let to = upper.open(OFlags::RDWR)?;
        data::copy(self.lower_object(&file)?.open(OFlags::RDONLY)?, &to, stat.x.stx_size)?;
        upper.set_times(&times_of(&stat))?;
        if self.settings.sync {
            fsync(&to)?;
        }
        upper.remove_xattr(OsStr::new(self.marks().metacopy))?;
        node.state().lower = Lower::Nothing;
        Ok(())
    }

    fn copy(&self, lower: &Object, stat: &Stat, mark: Option<&[u8]>) -> Result<Copy> {
        let copy = self.make_like(lower, stat)?;
        let object = self.object_of(&copy)?;
        self.note_origin(mark, &object)?;
        copy_attributes(lower, stat, &object, self.settings.names)?;
        if let (Copy::Nameless(fd), true) = (&copy, self.settings.sync) {
            fsync(fd)?;
        }
        Ok(copy)
    }

    /// Makes an object of the same type, and with the same content.
    fn make_like(&self, lower: &Object, stat: &Stat) -> Result<Copy> {
        let shop = self.upper()?.work.dir();
        if stat.kind == Kind::File {
            let from = lower.open(OFlags::RDONLY)?;
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            let to = openat(shop, ".", flags, Mode::RUSR | Mode::WUSR)?;
            data::copy(&from, &to, stat.x.stx_size)?;
            return Ok(Copy::Nameless(Arc::new(to)));
        }
        let name = self.work_name();
        match stat.kind {
            Kind::Symlink => fs::symlinkat(lower.read_link()?, shop, &name)?,
            kind => {
                let dev = fs::makedev(stat.x.stx_rdev_major, stat.x.stx_rdev_minor);
                fs::mknodat(shop, &name, type_of(kind), Mode::empty(), dev)?;
            }
        }
        Ok(Copy::Named(name))
    }

    fn object_of(&self, copy: &Copy) -> Result<Object> {
        Ok(match copy {
            Copy::Nameless(fd) => Object::Open(fd.clone()),
            Copy::Named(name) => {
                Object::At(self.upper()?.work.shared(), Arc::from(name.as_os_str()))
            }
        })
    }

    /// Gives the copy the file's name, or the file the copy if it has no name
    /// any more. From then on the file is that.
    ///
    /// `index` is the name that it is to have in the index, and how many names
    /// it has in the union.
    fn publish(
        &self,
        node: &Arc<Node>,
        copy: &Copy,
        index: Option<(Arc<OsStr>, i64)>,
    ) -> Result<()> {
        let _held = self.hold_places();
        let (name, others) = node.state().all_names();
        // Without a name that anybody has asked for it may have others.
        if let Some((place, links)) = index.filter(|(_, links)| *links > 0) {
            let names = name.into_iter().chain(others);
            return self.publish_in_index(node, copy, (place, links), names);
        }
        let object = self.object_of(copy)?;
        let held = match &name {
            Some(name) => {
                self.bring_dir_up(&name.parent)?;
                self.put(name, copy)?;
                None
            }
            None => Some(object.pin()?),
        };
        let placed = match &name {
            Some(name) => self.upper_object(&name.parent, &name.name)?,
            None => object,
        };
        let upper = Identity::from(&placed.stat()?);
        self.table.alias(upper, node);
        let mut state = node.state();
        state.came_up(upper.ino, name);
        state.held = held;
        state.lower = Lower::Nothing;
        drop(state);
        for other in others {
            self.link_up(node, &other.parent, &other.name)?;
        }
        Ok(())
    }

    /// The same by way of the index. Once it is there all names lead to the copy,
    /// whatever becomes of the rest.
    fn publish_in_index(
        &self,
        node: &Arc<Node>,
        copy: &Copy,
        (place, links): (Arc<OsStr>, i64),
        names: impl Iterator<Item = Name>,
    ) -> Result<()> {
        let indexed = self.put_in_index(copy, place, links)?;
        let upper = Identity::from(&self.indexed_object(&indexed)?.stat()?);
        self.table.alias(upper, node);
        let mut state = node.state();
        state.came_up(upper.ino, None);
        state.index_at(indexed, links);
        state.lower = Lower::Nothing;
        drop(state);
        for name in names {
            self.link_up(node, &name.parent, &name.name)?;
        }
        Ok(())
    }

    /// Has a name of a file in the upper layer that is there by another name.
    /// Whoever reads that layer by itself, to make an image of it, knows nothing
    /// of the index. The caller holds the places.
    pub(crate) fn link_up(
        &self,
        node: &Arc<Node>,
        parent: &Arc<Node>,
        name: &Arc<OsStr>,
    ) -> Result<()> {
        self.bring_dir_up(parent)?;
        let object = self.object(node)?;
        let place = Name { parent: parent.clone(), name: name.clone() };
        match self.put_link(&place, &object) {
            Ok(()) => {}
            // Somebody else was faster.
            Err(Errno::EXIST) => return Ok(()),
            Err(e) => return Err(e),
        }
        node.state().add_name(parent, name);
        self.changed_names(node, &object, 0)
    }

    /// From then on all names of the file lead to the copy.
    fn put_in_index(&self, copy: &Copy, place: Arc<OsStr>, links: i64) -> Result<Indexed> {
        // The link there is no name of the union. Those that are made next are
        // noted after they are there: cut off between, too many are counted, and
        // the copy stays longer than it needs to.
        let more = links - 1;
        self.note_links(&self.object_of(copy)?, more)?;
        let work = &self.upper()?.work;
        match copy {
            Copy::Nameless(fd) => link_nameless(fd, work.index(), &place)?,
            Copy::Named(from) => {
                let flags = RenameFlags::NOREPLACE;
                fs::renameat_with(work.dir(), from, work.index(), &*place, flags)?;
            }
        }
        Ok(Indexed { name: place, more })
    }

    /// Gives what has a name one more, which nobody sees as a change of the
    /// directory.
    fn put_link(&self, name: &Name, object: &Object) -> Result<()> {
        let parent = self.upper_dir(&name.parent)?;
        let times = Stat::of(&parent)?;
        link(object, &parent, &name.name)?;
        Object::Open(parent).set_times(&times_of(&times))
    }

    fn put(&self, name: &Name, copy: &Copy) -> Result<()> {
        let parent = self.upper_dir(&name.parent)?;
        let times = Stat::of(&parent)?;
        match copy {
            Copy::Nameless(fd) => link_nameless(fd, &parent, &name.name)?,
            Copy::Named(from) => {
                let shop = self.upper()?.work.dir();
                let flags = RenameFlags::NOREPLACE;
                fs::renameat_with(shop, from, &parent, &*name.name, flags)?;
            }
        }
        // Nothing was changed in the directory that its users could know of.
        Object::Open(parent).set_times(&times_of(&times))
    }

    /// Has a directory in the upper layer, with all above it. The caller holds
    /// the places.
    ///
    /// Cost: grows with the directories above that aren't there yet.
    pub(crate) fn bring_dir_up(&self, node: &Arc<Node>) -> Result<()> {
        let mut missing = Vec::new();
        let mut at = node.clone();
        while !at.is_upper() {
            // Without a name it is removed, and nothing comes into it any more.
            let name = at.state().name().cloned().ok_or(Errno::NOENT)?;
            let parent = name.parent.clone();
            missing.push((at, name));
            at = parent;
        }
        missing.into_iter().rev().try_for_each(|(dir, name)| self.copy_dir(&dir, &name))
    }

    fn copy_dir(&self, node: &Arc<Node>, name: &Name) -> Result<()> {
        let _copying = lock(&node.copying);
        if node.is_upper() {
            return Ok(());
        }
        let lower = Object::Open(self.directory(node)?);
        let stat = lower.stat()?;
        let work = &self.upper()?.work;
        let made = self.work_name();
        fs::mkdirat(work.dir(), &made, Mode::RWXU)?;
        let copy = Copy::Named(made.clone());
        let object = self.object_of(&copy)?;
        let mark = self.origin_mark(&lower, &stat);
        let done = self
            .note_origin(mark.as_deref(), &object)
            .and_then(|()| copy_attributes(&lower, &stat, &object, self.settings.names))
            .and_then(|()| self.put(name, &copy));
        if let Err(e) = done {
            self.throw_away(&made);
            return Err(e);
        }
        let upper = self.upper_object(&name.parent, &name.name)?;
        let upper = Identity::from(&upper.stat()?);
        self.table.alias(upper, node);
        let mut state = node.state();
        state.upper = true;
        state.upper_ino = upper.ino;
        Ok(())
    }

    /// A name that nothing else has in the work directory.
    pub(crate) fn work_name(&self) -> OsString {
        format!("#{:x}", self.count()).into()
    }
}

/// Gives a file without a name one. By way of /proc, because the direct way
/// wants a privilege.
fn link_nameless(fd: &OwnedFd, dir: impl AsFd, name: &OsStr) -> Result<()> {
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    fs::linkat(CWD, path, dir, name, AtFlags::SYMLINK_FOLLOW)
}

/// Gives a file one more name; `ENOENT` if it was removed.
pub(crate) fn link(object: &Object, dir: impl AsFd, name: &OsStr) -> Result<()> {
    match object {
        Object::At(from, old) => fs::linkat(from, &**old, dir, name, AtFlags::empty()),
        Object::Open(fd) => link_nameless(fd, dir, name),
    }
}

/// When it was read and modified last.
pub(crate) fn times_of(stat: &Stat) -> Timestamps {
    let time = |t: fs::StatxTimestamp| Timespec { tv_sec: t.tv_sec, tv_nsec: t.tv_nsec.into() };
    Timestamps { last_access: time(stat.x.stx_atime), last_modification: time(stat.x.stx_mtime) }
}

/// The type as system calls want it.
pub(crate) fn type_of(kind: Kind) -> fs::FileType {
    match kind {
        Kind::File => fs::FileType::RegularFile,
        Kind::Directory => fs::FileType::Directory,
        Kind::Symlink => fs::FileType::Symlink,
        Kind::Fifo => fs::FileType::Fifo,
        Kind::Socket => fs::FileType::Socket,
        Kind::Character => fs::FileType::CharacterDevice,
        Kind::Block => fs::FileType::BlockDevice,
    }
}
