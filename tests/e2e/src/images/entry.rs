//! One entry of a layer, with every attribute that a tar can carry.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tar::EntryType;

use crate::images::EPOCH;

/// A file, directory, link, device or whiteout. Paths are taken as they are: `..`, a leading
/// slash and bytes that aren't UTF-8 go into the tar unchanged, so that hostile images can be made.
#[derive(Debug, Clone)]
pub struct Entry {
    pub(crate) kind: EntryType,
    pub(crate) path: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) content: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) mtime: (u64, u32),
    pub(crate) device: (u32, u32),
    pub(crate) xattrs: Vec<(String, Vec<u8>)>,
}

impl Entry {
    fn new(kind: EntryType, path: impl AsRef<Path>, mode: u32) -> Self {
        Self {
            kind,
            path: path.as_ref().as_os_str().as_bytes().to_vec(),
            target: Vec::new(),
            content: Vec::new(),
            mode,
            owner: (0, 0),
            mtime: (EPOCH, 0),
            device: (0, 0),
            xattrs: Vec::new(),
        }
    }

    /// A directory of mode 0755.
    #[must_use]
    pub fn dir(path: impl AsRef<Path>) -> Self {
        Self::new(EntryType::Directory, path, 0o755)
    }

    /// A file of mode 0644.
    #[must_use]
    pub fn file(path: impl AsRef<Path>, content: impl Into<Vec<u8>>) -> Self {
        let mut entry = Self::new(EntryType::Regular, path, 0o644);
        entry.content = content.into();
        entry
    }

    /// A symbolic link to whatever `target` says.
    #[must_use]
    pub fn symlink(path: impl AsRef<Path>, target: impl AsRef<OsStr>) -> Self {
        let mut entry = Self::new(EntryType::Symlink, path, 0o777);
        entry.target = target.as_ref().as_bytes().to_vec();
        entry
    }

    /// Another name for the file at `target`, a path from the root of this layer or one below.
    #[must_use]
    pub fn hard_link(path: impl AsRef<Path>, target: impl AsRef<Path>) -> Self {
        let mut entry = Self::new(EntryType::Link, path, 0o644);
        entry.target = target.as_ref().as_os_str().as_bytes().to_vec();
        entry
    }

    /// A FIFO.
    #[must_use]
    pub fn fifo(path: impl AsRef<Path>) -> Self {
        Self::new(EntryType::Fifo, path, 0o644)
    }

    /// A character device.
    #[must_use]
    pub fn char_device(path: impl AsRef<Path>, major: u32, minor: u32) -> Self {
        let mut entry = Self::new(EntryType::Char, path, 0o600);
        entry.device = (major, minor);
        entry
    }

    /// A block device.
    #[must_use]
    pub fn block_device(path: impl AsRef<Path>, major: u32, minor: u32) -> Self {
        let mut entry = Self::new(EntryType::Block, path, 0o600);
        entry.device = (major, minor);
        entry
    }

    /// Removes `path` of the layers below, as the OCI image-spec writes it.
    #[must_use]
    pub fn whiteout(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let mut name = b".wh.".to_vec();
        name.extend(path.file_name().unwrap_or_default().as_bytes());
        Self::file(path.with_file_name(OsStr::from_bytes(&name)), "")
    }

    /// Hides everything that the layers below have in the directory `path`.
    #[must_use]
    pub fn opaque(path: impl AsRef<Path>) -> Self {
        Self::file(path.as_ref().join(".wh..wh..opq"), "")
    }

    /// Permission bits, setuid, setgid and sticky among them.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// User and group id. What doesn't fit into seven octal digits is written as GNU tar does.
    #[must_use]
    pub fn owner(mut self, user: u64, group: u64) -> Self {
        self.owner = (user, group);
        self
    }

    /// Time of modification: seconds since 1970, and nanoseconds.
    #[must_use]
    pub fn mtime(mut self, seconds: u64, nanoseconds: u32) -> Self {
        self.mtime = (seconds, nanoseconds);
        self
    }

    /// An extended attribute, by its full name: `user.origin`, `security.capability`.
    #[must_use]
    pub fn xattr(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.xattrs.push((name.into(), value.into()));
        self
    }
}
