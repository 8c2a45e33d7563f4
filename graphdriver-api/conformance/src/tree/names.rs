//! Operations that make names and take them away.

use std::ffi::OsStr;
use std::path::Path;

use rustix::io::Errno;

use super::node::{Body, Ino, Node};
use super::{Outcome, Place, Tree};

impl Tree {
    /// Makes an empty file, directory, link or special file with exactly that
    /// mode, as the root user: group and setgid as a setgid parent gives them.
    ///
    /// # Errors
    /// `EEXIST`, and what [`lookup`](Self::lookup) answers for the parent;
    /// `EPERM` for a character device 0:0 where the rules forbid it.
    pub fn make(&mut self, path: &Path, body: Body, mode: u32) -> Outcome {
        let place = self.split(path)?.ok_or(Errno::EXIST)?;
        self.must_be_free(&place)?;
        if matches!(body, Body::CharDevice(0, 0)) && !self.rules.zero_device {
            return Err(Errno::PERM);
        }
        let mut node = Node::new(body, mode, self.now());
        let parent = self.node(place.dir).ok_or(Errno::NOENT)?;
        if parent.mode & 0o2000 != 0 {
            node.gid = parent.gid;
        }
        let ino = self.add(node);
        self.attach(place.dir, place.name, ino)?;
        self.touch(place.dir)
    }

    /// Gives the file at `old` another name (link(2), without following a
    /// symbolic link).
    ///
    /// # Errors
    /// `EEXIST`, `EPERM` (a directory), and those of looking up either.
    pub fn link(&mut self, old: &Path, new: &Path) -> Outcome {
        let from = self.place(old).and_then(|place| self.found(&place).map(|_| place))?;
        let to = self.split(new)?.ok_or(Errno::EXIST)?;
        self.must_be_free(&to)?;
        if self.node(self.found(&from)?).is_some_and(Node::is_directory) {
            return Err(Errno::PERM);
        }
        let ino = self.own(&from)?;
        self.attach(to.dir, to.name, ino)?;
        self.touch(to.dir)
    }

    /// Takes a name away that isn't a directory's (unlink(2)).
    ///
    /// # Errors
    /// `EISDIR`, and those of looking up.
    pub fn unlink(&mut self, path: &Path) -> Outcome {
        let place = self.split(path)?.ok_or(Errno::ISDIR)?;
        if self.node(self.found(&place)?).is_some_and(Node::is_directory) {
            return Err(Errno::ISDIR);
        }
        self.detach(place.dir, place.name)?;
        self.touch(place.dir)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `ENOTDIR`, `ENOTEMPTY`, `EINVAL` (the root), and those of looking up.
    pub fn rmdir(&mut self, path: &Path) -> Outcome {
        let place = self.split(path)?.ok_or(Errno::INVAL)?;
        let ino = self.found(&place)?;
        match self.node(ino).and_then(Node::names) {
            None => return Err(Errno::NOTDIR),
            Some(names) if !names.is_empty() => return Err(Errno::NOTEMPTY),
            Some(_) => {}
        }
        self.detach(place.dir, place.name)?;
        self.touch(place.dir)
    }

    pub(super) fn found(&self, place: &Place<'_>) -> Outcome<Ino> {
        self.child_of(place.dir, place.name).ok_or(Errno::NOENT)
    }

    fn must_be_free(&self, place: &Place<'_>) -> Outcome {
        match self.child_of(place.dir, place.name) {
            Some(_) => Err(Errno::EXIST),
            None => Ok(()),
        }
    }

    /// Puts `node` at a name in `dir`, in place of whatever is there, without
    /// any of the effects of a system call: for whoever builds a tree rather
    /// than working in it.
    pub(crate) fn put(&mut self, dir: Ino, name: &OsStr, node: Node) -> Outcome<Ino> {
        self.drop_name(dir, name)?;
        let ino = self.add(node);
        self.attach(dir, name, ino)?;
        Ok(ino)
    }

    /// Gives a file a name in place of whatever is there, as [`put`](Self::put).
    pub(crate) fn put_link(&mut self, dir: Ino, name: &OsStr, ino: Ino) -> Outcome {
        if self.child_of(dir, name) == Some(ino) {
            return Ok(());
        }
        self.drop_name(dir, name)?;
        self.attach(dir, name, ino)
    }

    /// Takes a name away if it is there, with all that lies beneath, as
    /// [`put`](Self::put).
    pub(crate) fn drop_name(&mut self, dir: Ino, name: &OsStr) -> Outcome {
        match self.child_of(dir, name) {
            Some(_) => self.detach(dir, name),
            None => Ok(()),
        }
    }
}
