//! A layer's tree, from which the bytes of its files are read back.

use std::collections::HashSet;
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, OwnedFd};

use flate2::Crc;
use graphdriver_api::{DraftId, LayerId, MountRequest, NodeRef};
use rustix::io::Errno;
use sapwood_kit::at::FileId;

use super::format::FileRef;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::in_tree::InTree;

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// Lets `work` look at `layer`'s tree, mounted read-only by the name of `view`.
pub(super) fn look<T>(
    engine: &Engine,
    layer: &LayerId,
    view: &DraftId,
    work: impl FnOnce(BorrowedFd<'_>) -> Result<T>,
) -> Result<T> {
    engine.driver().view(view, layer)?;
    let looked = mounted(engine, view, work);
    removed(engine, view, looked)
}

/// Lets `work` look at a draft's tree, mounted read-only.
pub(super) fn mounted<T>(
    engine: &Engine,
    draft: &DraftId,
    work: impl FnOnce(BorrowedFd<'_>) -> Result<T>,
) -> Result<T> {
    let driver = engine.driver();
    let mut guard = driver.mount(draft, &MountRequest::read_only())?;
    let looked = match guard.root() {
        Some(root) => work(root),
        None => Err(Error::Invalid(format!("{} mounted nothing", driver.name()))),
    };
    guard.unmount()?;
    looked
}

/// What came of work with a draft, which is removed. The work's own failure is
/// the one to tell.
pub(super) fn removed<T>(engine: &Engine, draft: &DraftId, done: Result<T>) -> Result<T> {
    let removed = engine.driver().remove(NodeRef::Draft(draft));
    let done = done?;
    removed?;
    Ok(done)
}

/// Why a file's bytes weren't copied.
#[derive(Debug)]
pub(super) enum Failed {
    /// They aren't there as they were.
    File(String),
    /// They couldn't be read, which says nothing about them.
    Unread(&'static str, io::Error),
    /// They couldn't be written.
    Out(io::Error),
}

/// The files of a tree, by the paths that its archive has for them.
#[derive(Debug)]
pub(super) struct Files<'a> {
    tree: InTree<BorrowedFd<'a>>,
    buffer: Vec<u8>,
    /// The files that were read; `None` if nobody wants to know.
    read: Option<HashSet<FileId>>,
}

impl<'a> Files<'a> {
    /// Those of the tree with this root.
    pub(super) fn new(root: BorrowedFd<'a>) -> Self {
        Self { tree: InTree::new(root), buffer: vec![0; CHUNK], read: None }
    }

    /// Remembers from now on which files were read: some 40 bytes each.
    pub(super) fn remembering(self) -> Self {
        Self { read: Some(HashSet::new()), ..self }
    }

    /// Writes the bytes of a file to `out`, if it has as many as it should
    /// have; and tells afterwards if they aren't those.
    pub(super) fn copy(&mut self, file: &FileRef, out: &mut dyn Write) -> Result<(), Failed> {
        let (fd, meta) = self.tree.open(&file.path).map_err(|e| match e {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => {
                Failed::File("it isn't there any more".into())
            }
            Errno::INVAL => Failed::File("it isn't a regular file any more".into()),
            e => Failed::Unread("open", e.into()),
        })?;
        if meta.size != file.size {
            let (found, size) = (meta.size, file.size);
            return Err(Failed::File(format!("it has {found} bytes, and had {size}")));
        }
        let found = self.pass(&fd, file.size, out)?;
        if let Some(read) = &mut self.read {
            read.insert(meta.id);
        }
        if found == file.crc {
            Ok(())
        } else {
            Err(Failed::File("its bytes aren't those that it was loaded with".into()))
        }
    }

    /// The files that were read, whether or not they were as they should be.
    pub(super) fn into_read(self) -> HashSet<FileId> {
        self.read.unwrap_or_default()
    }

    /// Copies `size` bytes and gives their checksum.
    fn pass(&mut self, fd: &OwnedFd, size: u64, out: &mut dyn Write) -> Result<u32, Failed> {
        let (mut crc, mut left) = (Crc::new(), size);
        while left > 0 {
            let want = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            let room = self.buffer.get_mut(..want).unwrap_or_default();
            let got = match rustix::io::read(fd, room) {
                Ok(0) => return Err(Failed::File("it was cut short just now".into())),
                Ok(got) => got,
                Err(Errno::INTR) => continue,
                Err(e) => return Err(Failed::Unread("read", e.into())),
            };
            let bytes = self.buffer.get(..got).unwrap_or_default();
            crc.update(bytes);
            out.write_all(bytes).map_err(Failed::Out)?;
            left -= got as u64;
        }
        Ok(crc.sum())
    }
}
