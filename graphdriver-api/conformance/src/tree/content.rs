//! Operations on the content of files.

use std::ffi::OsStr;
use std::path::Path;

use rustix::io::Errno;

use super::node::{Body, Ino};
use super::{NOT_TRIED, Outcome, Tree};

/// File capabilities, which anything but a plain read may take away.
pub(super) const CAPABILITIES: &str = "security.capability";

/// What an open for writing finds in the way.
fn not_a_file(body: &Body) -> Errno {
    match body {
        Body::Directory(_) => Errno::ISDIR,
        Body::Symlink(_) => Errno::LOOP,
        Body::CharDevice(..) | Body::BlockDevice(..) => NOT_TRIED,
        // A pipe without a reader (O_NONBLOCK), and a socket.
        _ => Errno::NXIO,
    }
}

impl Tree {
    /// Writes at an offset, which may lie behind the end. At least one byte.
    ///
    /// # Errors
    /// `EISDIR`, `ELOOP` (a symbolic link), `ENXIO` (a FIFO or socket),
    /// [`NOT_TRIED`] (a device), and those of looking up.
    pub fn write(&mut self, path: &Path, offset: u64, bytes: &[u8]) -> Outcome {
        let ino = self.regular(path)?;
        self.bytes_mut(ino)?.write(offset, bytes);
        self.written(ino)
    }

    /// Writes at the end. At least one byte.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn append(&mut self, path: &Path, bytes: &[u8]) -> Outcome {
        let ino = self.regular(path)?;
        let content = self.bytes_mut(ino)?;
        content.write(content.len(), bytes);
        self.written(ino)
    }

    /// Opens with `O_TRUNC` and writes.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn rewrite(&mut self, path: &Path, bytes: &[u8]) -> Outcome {
        let ino = self.regular(path)?;
        let content = self.bytes_mut(ino)?;
        content.set_len(0);
        content.write(0, bytes);
        self.written(ino)
    }

    /// Sets the length (ftruncate(2)); the same length counts as a change.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn truncate(&mut self, path: &Path, len: u64) -> Outcome {
        let ino = self.regular(path)?;
        self.bytes_mut(ino)?.set_len(len);
        self.written(ino)
    }

    /// Punches a hole (`FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE`).
    ///
    /// # Errors
    /// As [`write`](Self::write); [`NOT_TRIED`] of a file with capabilities:
    /// file systems disagree on whether they then go.
    pub fn punch(&mut self, path: &Path, from: u64, to: u64) -> Outcome {
        let ino = self.regular(path)?;
        if self.node(ino).is_some_and(|n| n.xattrs.contains_key(OsStr::new(CAPABILITIES))) {
            return Err(NOT_TRIED);
        }
        self.bytes_mut(ino)?.punch(from, to);
        self.maybe_touched(ino)
    }

    /// Writes through a shared mapping, within the file's length.
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`NOT_TRIED`] where it would pass the end.
    pub fn write_mapped(&mut self, path: &Path, offset: u64, bytes: &[u8]) -> Outcome {
        let len = self.regular_at(path)?;
        if offset + bytes.len() as u64 > len {
            return Err(NOT_TRIED);
        }
        let ino = self.regular(path)?;
        self.bytes_mut(ino)?.write(offset, bytes);
        self.maybe_touched(ino)
    }

    /// The length of the regular file at `path`, without opening it.
    fn regular_at(&self, path: &Path) -> Outcome<u64> {
        let node = self.get(path)?;
        node.bytes().map(super::Bytes::len).ok_or_else(|| not_a_file(&node.body))
    }

    /// Opens the regular file at `path` for writing: by some rules, that alone
    /// gives the name a file of its own.
    fn regular(&mut self, path: &Path) -> Outcome<Ino> {
        self.regular_at(path)?;
        self.own_at(path)
    }

    fn bytes_mut(&mut self, ino: Ino) -> Outcome<&mut super::Bytes> {
        match &mut self.node_mut(ino)?.body {
            Body::File(bytes) => Ok(bytes),
            other => Err(not_a_file(other)),
        }
    }

    /// What a write(2) by the root user does beside writing: file capabilities
    /// go; setuid and setgid stay, because root has `CAP_FSETID`.
    fn written(&mut self, ino: Ino) -> Outcome {
        let now = self.now();
        let node = self.node_mut(ino)?;
        node.mtime = now;
        node.xattrs.remove(OsStr::new(CAPABILITIES));
        Ok(())
    }

    fn maybe_touched(&mut self, ino: Ino) -> Outcome {
        let step = self.step;
        let node = self.node_mut(ino)?;
        node.mtime = node.mtime.or_now(step);
        Ok(())
    }
}
