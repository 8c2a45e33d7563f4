//! Operations on attributes, as the root user.

use std::ffi::OsStr;
use std::path::Path;

use rustix::io::Errno;

use super::node::{Body, Ino, Mtime, Node};
use super::{Outcome, Tree};
use crate::snapshot::Timestamp;

impl Tree {
    /// Sets the permission bits.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for a symbolic link, and those of looking up.
    pub fn chmod(&mut self, path: &Path, mode: u32) -> Outcome {
        if matches!(self.get(path)?.body, Body::Symlink(_)) {
            return Err(Errno::OPNOTSUPP);
        }
        let ino = self.own_at(path)?;
        self.node_mut(ino)?.mode = mode & 0o7777;
        Ok(())
    }

    /// Sets owner and group, not following a symbolic link. Of anything but a
    /// directory it takes setuid, setgid (where the group may execute) and
    /// file capabilities, even if the owner stays the same.
    ///
    /// # Errors
    /// Those of looking up.
    pub fn chown(&mut self, path: &Path, uid: u32, gid: u32) -> Outcome {
        self.get(path)?;
        let ino = self.own_at(path)?;
        let node = self.node_mut(ino)?;
        (node.uid, node.gid) = (uid, gid);
        if !node.is_directory() {
            node.mode &= !0o4000;
            if node.mode & 0o010 != 0 {
                node.mode &= !0o2000;
            }
            node.xattrs.remove(OsStr::new(super::content::CAPABILITIES));
        }
        Ok(())
    }

    /// Sets the modification time, not following a symbolic link; `None` sets
    /// it to now.
    ///
    /// # Errors
    /// Those of looking up.
    pub fn set_mtime(&mut self, path: &Path, time: Option<Timestamp>) -> Outcome {
        self.get(path)?;
        let ino = self.own_at(path)?;
        let time = time.map_or(self.now(), Mtime::at);
        self.node_mut(ino)?.mtime = time;
        Ok(())
    }

    /// Sets an extended attribute.
    ///
    /// # Errors
    /// `EPERM` for `user.*` on anything but files and directories, and those
    /// of looking up.
    pub fn set_xattr(&mut self, path: &Path, name: &OsStr, value: &[u8]) -> Outcome {
        self.may_have(path, name)?;
        let ino = self.own_at(path)?;
        self.node_mut(ino)?.xattrs.insert(name.to_owned(), value.to_vec());
        Ok(())
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// `ENODATA`, and those of [`set_xattr`](Self::set_xattr).
    pub fn remove_xattr(&mut self, path: &Path, name: &OsStr) -> Outcome {
        if !self.may_have(path, name)?.xattrs.contains_key(name) {
            return Err(Errno::NODATA);
        }
        let ino = self.own_at(path)?;
        self.node_mut(ino)?.xattrs.remove(name);
        Ok(())
    }

    fn may_have(&self, path: &Path, name: &OsStr) -> Outcome<&Node> {
        let node = self.get(path)?;
        let user = name.as_encoded_bytes().starts_with(b"user.");
        match node.body {
            Body::File(_) | Body::Directory(_) => Ok(node),
            _ if user => Err(Errno::PERM),
            _ => Ok(node),
        }
    }

    /// Replaces what is known of a file's attributes, without any of the
    /// effects of a system call.
    pub(crate) fn set_attributes(&mut self, ino: Ino, from: &Node) -> Outcome {
        let node = self.node_mut(ino)?;
        (node.mode, node.uid, node.gid) = (from.mode, from.uid, from.gid);
        node.mtime = from.mtime;
        node.xattrs.clone_from(&from.xattrs);
        Ok(())
    }
}
