//! One file of a tree: type, content and attributes.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::bytes::Bytes;
use crate::snapshot::Timestamp;

/// The number of a file: unique in a tree and in all its children, and never
/// used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ino(pub(super) u64);

impl Ino {
    /// The root directory of every tree.
    pub const ROOT: Self = Self(0);
}

/// A modification time as far as it is known without a clock: exactly one, or
/// that of a step, or either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mtime {
    /// It may be exactly this.
    pub exact: Option<Timestamp>,
    /// Or whatever the clock showed between the beginning of the first step
    /// and the end of the second.
    pub steps: Option<(u32, u32)>,
}

impl Mtime {
    /// Exactly this.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        Self { exact: Some(time), steps: None }
    }

    /// What the clock shows during that step.
    #[must_use]
    pub fn now(step: u32) -> Self {
        Self { exact: None, steps: Some((step, step)) }
    }

    /// This, or what the clock shows during that step: after a system call of
    /// which file systems disagree whether it changes the time.
    #[must_use]
    pub fn or_now(self, step: u32) -> Self {
        let first = self.steps.map_or(step, |(first, _)| first);
        Self { exact: self.exact, steps: Some((first, step)) }
    }
}

/// What kind of file it is, with what only that kind has.
#[derive(Debug, Clone)]
pub enum Body {
    /// A regular file.
    File(Bytes),
    /// A directory: names in the order of their bytes.
    Directory(BTreeMap<OsString, Ino>),
    /// A symbolic link.
    Symlink(OsString),
    /// A character device, major and minor.
    CharDevice(u32, u32),
    /// A block device, major and minor.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// A file.
#[derive(Debug, Clone)]
pub struct Node {
    /// Type and content.
    pub body: Body,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Mtime,
    /// Extended attributes by full name.
    pub xattrs: BTreeMap<OsString, Vec<u8>>,
    /// How many names it has; 1 for directories.
    pub nlink: u64,
    /// What it was in the layer below, if it came from there.
    pub below: Option<Below>,
    /// Whether a stat(2) tells `nlink`. By some rules a name that goes, or
    /// becomes a file of its own, still counts in the layer below.
    pub counted: bool,
}

/// What a file was in the layer below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Below {
    /// How many names it had.
    pub names: u64,
    /// The length in bytes of its path from the root; of one of them, if it had
    /// several names.
    pub path: usize,
}

impl Node {
    /// A file of 0:0 without attributes and without a name.
    #[must_use]
    pub fn new(body: Body, mode: u32, mtime: Mtime) -> Self {
        let xattrs = BTreeMap::new();
        Self { body, mode, uid: 0, gid: 0, mtime, xattrs, nlink: 1, below: None, counted: true }
    }

    /// The names in it, if it is a directory.
    #[must_use]
    pub fn names(&self) -> Option<&BTreeMap<OsString, Ino>> {
        match &self.body {
            Body::Directory(names) => Some(names),
            _ => None,
        }
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.names().is_some()
    }

    /// Its content, if it is a regular file.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.body {
            Body::File(bytes) => Some(bytes),
            _ => None,
        }
    }
}
