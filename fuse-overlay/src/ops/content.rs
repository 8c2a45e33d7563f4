//! What is in files.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use rustix::fs::{
    FallocateFlags, OFlags, SeekFrom, StatVfs, fallocate, fdatasync, fstatvfs, fsync, seek,
};
use rustix::io::{Errno, pread};

use crate::Result;
use crate::copy_up::write_all;
use crate::node::{Id, Lower, Node};
use crate::union::Union;

/// An open file of a node: of the lower one, for reading, or of the upper one,
/// for both. The two are never mistaken for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FileKey {
    id: Id,
    upper: bool,
}

impl Union {
    /// Reads up to `into.len()` bytes from `at` on; fewer only at the end.
    ///
    /// # Errors
    /// Of the layer's file system; `ESTALE` for a number that isn't known.
    pub fn read(&self, id: Id, into: &mut [u8], at: u64) -> Result<usize> {
        let file = self.readable(&self.table.get(id)?)?;
        let mut done = 0;
        while done < into.len() {
            match pread(&file, &mut into[done..], at + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    /// Has a file where it can be written to.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub fn open_to_write(&self, id: Id) -> Result<()> {
        self.writable(&self.table.get(id)?).map(drop)
    }

    /// Writes all of it, to a copy in the upper layer.
    ///
    /// # Errors
    /// As [`change`](Self::change). What was written before an error is there.
    pub fn write(&self, id: Id, bytes: &[u8], at: u64) -> Result<()> {
        write_all(self.writable(&self.table.get(id)?)?, bytes, at)
    }

    /// What a symbolic link says.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_link(&self, id: Id) -> Result<OsString> {
        let node = self.table.get(id)?;
        let _held = self.hold_places();
        Ok(OsString::from_vec(self.object(&node)?.read_link()?.into_bytes()))
    }

    /// Brings a file or a directory to the medium. What is in a lower layer
    /// only is there already.
    ///
    /// # Errors
    /// As [`read`](Self::read), and what the medium says.
    pub fn sync(&self, id: Id, data_only: bool) -> Result<()> {
        let node = self.table.get(id)?;
        if !self.settings.sync || !node.is_upper() {
            return Ok(());
        }
        let file = match node.is_dir() {
            true => {
                let _held = self.hold_places();
                Arc::new(self.object(&node)?.open(OFlags::RDONLY | OFlags::DIRECTORY)?)
            }
            false => self.readable(&node)?,
        };
        if data_only { fdatasync(file) } else { fsync(file) }
    }

    /// As fallocate(2).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn allocate(&self, id: Id, mode: u32, at: u64, length: u64) -> Result<()> {
        let file = self.writable(&self.table.get(id)?)?;
        fallocate(file, FallocateFlags::from_bits_retain(mode), at, length)
    }

    /// Where data (or a hole, if not `data`) begins, from `at` on.
    ///
    /// # Errors
    /// As [`read`](Self::read); `ENXIO` beyond the end.
    pub fn seek(&self, id: Id, at: u64, data: bool) -> Result<u64> {
        let file = self.readable(&self.table.get(id)?)?;
        seek(file, if data { SeekFrom::Data(at) } else { SeekFrom::Hole(at) })
    }

    /// Copies up to `length` bytes from one file to another, and tells how many.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn copy_range(&self, from: (Id, u64), to: (Id, u64), length: usize) -> Result<usize> {
        let target = self.writable(&self.table.get(to.0)?)?;
        let source = self.readable(&self.table.get(from.0)?)?;
        let (mut read, mut write) = (from.1, to.1);
        rustix::fs::copy_file_range(source, Some(&mut read), target, Some(&mut write), length)
    }

    /// The space there is for changes.
    ///
    /// # Errors
    /// Of the layer's file system.
    pub fn space(&self) -> Result<StatVfs> {
        let root = self.table.get(crate::node::ROOT)?;
        fstatvfs(self.directory(&root)?)
    }

    /// The file with the content, open for reading at least.
    fn readable(&self, node: &Arc<Node>) -> Result<Arc<OwnedFd>> {
        let _held = self.hold_places();
        let (upper, below) = {
            let state = node.state();
            let below = match &state.lower {
                Lower::File(file) => Some(file.clone()),
                _ => None,
            };
            (state.upper && below.is_none(), below)
        };
        let key = FileKey { id: node.id, upper };
        if let Some(file) = self.files.get(&key) {
            return Ok(file);
        }
        let file = match &below {
            Some(file) => self.lower_object(file)?.open(OFlags::RDONLY)?,
            None => self.object(node)?.open(OFlags::RDWR)?,
        };
        let file = Arc::new(file);
        self.files.put(key, file.clone());
        Ok(file)
    }

    /// The file in the upper layer, open for both.
    fn writable(&self, node: &Arc<Node>) -> Result<Arc<OwnedFd>> {
        self.bring_up(node)?;
        self.fill(node)?;
        self.readable(node)
    }

    /// Nobody asks for the node's content any more.
    pub(crate) fn forget_files(&self, id: Id) {
        self.files.forget(&FileKey { id, upper: true });
        self.files.forget(&FileKey { id, upper: false });
    }
}
