//! Regular files in a tree that isn't trusted, by the paths that an archive
//! has for them.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Result;
use sapwood_kit::at;

/// A tree, by its root.
#[derive(Debug)]
pub(crate) struct InTree<Fd> {
    root: Fd,
    /// The directory of the last file: archives come mostly in path order.
    dir: Option<(Vec<u8>, OwnedFd)>,
}

impl<Fd: AsFd> InTree<Fd> {
    pub(crate) fn new(root: Fd) -> Self {
        Self { root, dir: None }
    }

    /// Opens the regular file at `path` for reading.
    ///
    /// Resolved as when a layer is unpacked: symbolic links on the way are
    /// followed, and neither they nor `..` lead out of the tree; the file
    /// itself isn't one.
    ///
    /// # Errors
    /// `INVAL` if it isn't a regular file; `NOENT`, `NOTDIR`; else as
    /// openat2(2).
    pub(crate) fn open(&mut self, path: &[u8]) -> Result<(OwnedFd, at::Meta)> {
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let (dir, name) = match slash {
            Some(slash) => (path.get(..=slash), path.get(slash + 1..)),
            None => (None, Some(path)),
        };
        let dir = dir.unwrap_or(b".");
        if self.dir.as_ref().is_none_or(|(known, _)| known != dir) {
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            let opened = at::open_in_root(&self.root, Path::new(OsStr::from_bytes(dir)), flags)?;
            self.dir = Some((dir.to_owned(), opened));
        }
        let dir = self.dir.as_ref().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd());
        at::open_file(dir, OsStr::from_bytes(name.unwrap_or_default()))
    }
}
