//! Makes what an entry describes.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use graphdriver_api::{Error, ErrorKind, Op, Result};
use rustix::fs::{self, AtFlags};
use rustix::io::Errno;

use crate::archive::entry::{Attributes, Entry, EntryKind};
use crate::at::xattr::Target;
use crate::at::{self, Device, Handle, Kind, Meta, Time};
use crate::fault;

use super::attributes::{self, File, drop_inherited_acl};
use super::{Apply, bad, content, needs_parent, path};

/// The longest target of a symbolic link (PATH_MAX with the zero byte).
const TARGET_MAX: usize = 4095;

impl Apply<'_> {
    /// The entry of the root itself.
    pub(super) fn root(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != EntryKind::Directory {
            return Err(bad("a root that isn't a directory"));
        }
        self.tree.leave_to(0)?;
        let meta = Meta::of(self.tree.dir()).map_err(failed("look at the root"))?;
        let file = File { fd: self.tree.dir(), path_only: false, meta, existing: true };
        file.set(&entry.attributes)?;
        let (atime, mtime) = times(&entry.attributes);
        self.tree.name_root(atime, mtime, gives_acl(&entry.attributes));
        self.outcome.root = true;
        Ok(())
    }

    /// Makes the entry as `name` in the current directory, which is at
    /// `parent`.
    pub(super) fn place(&mut self, entry: &Entry, parent: &[&OsStr], name: &OsStr) -> Result<()> {
        match entry.kind {
            EntryKind::Directory => self.directory(entry, name),
            EntryKind::File => self.file(entry, name),
            EntryKind::Symlink => self.symlink(entry, name),
            EntryKind::HardLink => self.hard_link(entry, parent, name),
            EntryKind::CharDevice => self.special(entry, name, Kind::CharDevice),
            EntryKind::BlockDevice => self.special(entry, name, Kind::BlockDevice),
            EntryKind::Fifo => self.special(entry, name, Kind::Fifo),
        }
    }

    /// A directory stays the current one: what follows is probably in it.
    fn directory(&mut self, entry: &Entry, name: &OsStr) -> Result<()> {
        fault::point("archive.apply.directory").map_err(failed("make the directory"))?;
        let (dir, meta, existing) = self.open_or_make_dir(name)?;
        let file = File { fd: dir.as_fd(), path_only: false, meta, existing };
        file.set(&entry.attributes)?;
        self.tree.push_named(name, dir, times(&entry.attributes), gives_acl(&entry.attributes))
    }

    fn open_or_make_dir(&mut self, name: &OsStr) -> Result<(OwnedFd, Meta, bool)> {
        match self.tree.make_dir(name, false) {
            Ok((dir, meta)) => return Ok((dir, meta, false)),
            Err(e) if is_errno(&e, Errno::EXIST) => {}
            Err(e) => return Err(e),
        }
        match at::open_dir(self.tree.dir(), name) {
            Ok(dir) => {
                let meta = Meta::of(&dir).map_err(failed("look at the directory"))?;
                Ok((dir, meta, true))
            }
            Err(Errno::NOTDIR | Errno::LOOP) => {
                self.tree.count_replaced(name)?;
                self.tree.count_removed(name)?;
                let (dir, meta) = self.tree.make_dir(name, true)?;
                Ok((dir, meta, false))
            }
            Err(e) => Err(failed("open the directory")(e)),
        }
    }

    fn file(&mut self, entry: &Entry, name: &OsStr) -> Result<()> {
        // Special bits only once the owner is right.
        let mode = entry.attributes.mode & 0o777;
        let make = |dir: BorrowedFd<'_>| at::create_file(dir, name, mode);
        let file = self.replace(name, "archive.apply.file", "make the file", make)?;
        if self.tree.data().gives_acl {
            drop_inherited_acl(Target::open(&file), Kind::File).map_err(failed("drop an ACL"))?;
        }
        let meta = Meta::of(&file).map_err(failed("look at the file"))?;
        content::write(&file, &mut self.reader, entry)?;
        File { fd: file.as_fd(), path_only: false, meta, existing: false }
            .set(&entry.attributes)?;
        let (atime, mtime) = times(&entry.attributes);
        at::set_times(&file, atime, mtime).map_err(failed("set the times"))
    }

    fn symlink(&mut self, entry: &Entry, name: &OsStr) -> Result<()> {
        let target = OsStr::from_bytes(&entry.link);
        if target.is_empty() || target.len() > TARGET_MAX {
            return Err(bad("a symbolic link whose target is empty or too long"));
        }
        let make = |dir: BorrowedFd<'_>| fs::symlinkat(target, dir, name);
        self.replace(name, "archive.apply.symlink", "make the symbolic link", make)?;
        let (dir, new) = (self.tree.dir(), &entry.attributes);
        at::chown_at(dir, name, new.uid, new.gid).map_err(|e| attributes::owner_error(e, new))?;
        attributes::set_xattrs(Target::Entry(dir, name), &new.xattrs, false)?;
        let (atime, mtime) = times(new);
        at::set_times_at(dir, name, atime, mtime).map_err(failed("set the times"))
    }

    fn special(&mut self, entry: &Entry, name: &OsStr, kind: Kind) -> Result<()> {
        let is_whiteout = kind == Kind::CharDevice && entry.device == Device::ZERO;
        if is_whiteout && !self.zero_device {
            return Err(no_device(entry));
        }
        let make = |dir: BorrowedFd<'_>| at::mknod(dir, name, kind, 0o600, entry.device);
        let made = self.replace(name, "archive.apply.special", "make the special file", make);
        made.map_err(|e| if is_errno(&e, Errno::PERM) { no_device(entry) } else { e })?;
        let handle =
            Handle::open(self.tree.dir(), name).map_err(failed("open the special file"))?;
        if self.tree.data().gives_acl {
            let target = Target::Path(handle.as_fd());
            drop_inherited_acl(target, kind).map_err(failed("drop an ACL"))?;
        }
        let (fd, meta) = (handle.as_fd(), handle.meta);
        File { fd, path_only: true, meta, existing: false }.set(&entry.attributes)?;
        let (atime, mtime) = times(&entry.attributes);
        at::set_times(&handle, atime, mtime).map_err(failed("set the times"))
    }

    /// Another name of a file of the archive or beneath it. The attributes of
    /// such an entry say nothing new.
    fn hard_link(&mut self, entry: &Entry, parent: &[&OsStr], name: &OsStr) -> Result<()> {
        let path = self.tree.path();
        let parsed = path::parse_link(&entry.link, self.max_depth).map_err(bad)?;
        let (target_parent, target) = parsed;
        if !self.tree.find(&target_parent)? {
            return Err(no_target(entry));
        }
        self.check_target(entry, target)?;
        if target == name && self.tree.path() == path {
            return Ok(());
        }
        let from = at::open_dir(self.tree.dir(), OsStr::new("."));
        let from = from.map_err(failed("open the directory"))?;
        // Back to where the link goes.
        self.tree.enter(parent)?;
        let make = |dir: BorrowedFd<'_>| fs::linkat(&from, target, dir, name, AtFlags::empty());
        self.replace(name, "archive.apply.link", "make the hard link", make)
    }

    fn check_target(&self, entry: &Entry, target: &OsStr) -> Result<()> {
        match Meta::at(self.tree.dir(), target) {
            Ok(meta) if meta.is_dir() => Err(bad("a hard link to a directory")),
            Ok(meta) if self.tree.is_whiteout(target, &meta)? => Err(no_target(entry)),
            Ok(_) => Ok(()),
            Err(Errno::NOENT) if self.tree.shows_through() => {
                Err(needs_parent("a hard link's target isn't in the archive"))
            }
            Err(Errno::NOENT) => Err(no_target(entry)),
            Err(e) => Err(failed("look at the link's target")(e)),
        }
    }

    /// Makes something at `name` in the current directory, in place of
    /// whatever is there.
    fn replace<T>(
        &mut self,
        name: &OsStr,
        point: &'static str,
        doing: &'static str,
        make: impl Fn(BorrowedFd<'_>) -> rustix::io::Result<T>,
    ) -> Result<T> {
        fault::point(point).map_err(failed(doing))?;
        self.tree.touch();
        match make(self.tree.dir()) {
            Err(Errno::EXIST) => {
                self.tree.count_replaced(name)?;
                self.tree.remove(name)?;
                make(self.tree.dir()).map_err(failed(doing))
            }
            other => other.map_err(failed(doing)),
        }
    }
}

/// What programs that don't keep the time of reading get for it.
fn times(attributes: &Attributes) -> (Time, Time) {
    (attributes.atime.unwrap_or(attributes.mtime), attributes.mtime)
}

fn gives_acl(attributes: &Attributes) -> bool {
    attributes.xattrs.contains_key(attributes::default_acl())
}

fn failed<E: Into<std::io::Error>>(doing: &'static str) -> impl Fn(E) -> Error {
    move |error| Error::io(Op::Apply, doing, error)
}

fn is_errno(error: &Error, errno: Errno) -> bool {
    error.io_source().and_then(std::io::Error::raw_os_error) == Some(errno.raw_os_error())
}

fn no_target(entry: &Entry) -> Error {
    bad(format!("a hard link to {:?}, which isn't there", OsStr::from_bytes(&entry.link)))
}

fn no_device(entry: &Entry) -> Error {
    let Device { major, minor } = entry.device;
    let words = format!("a device {major}:{minor} can't be made here");
    Error::new(ErrorKind::Unsupported, Op::Apply, words)
}
