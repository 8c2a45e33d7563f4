//! What a snapshot knows of one path.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

use super::content::Content;

/// A point in time as a file system keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since the epoch; negative before it.
    pub sec: i64,
    /// Nanoseconds after that second, below 1,000,000,000.
    pub nsec: u32,
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.sec, self.nsec)
    }
}

/// A modification time as it was found, or as much as is known about the one
/// that is expected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// Nothing is said about it.
    #[default]
    Any,
    /// Exactly this.
    At(Timestamp),
    /// Between the two, both included.
    Between(Timestamp, Timestamp),
    /// Exactly the first, or between the second and the third.
    AtOrBetween(Timestamp, Timestamp, Timestamp),
}

impl When {
    /// Whether both can be the same time.
    #[must_use]
    pub fn agrees(self, other: Self) -> bool {
        match (self, other) {
            (Self::At(a), Self::At(b)) => a == b,
            (Self::Between(from, to), Self::At(t)) | (Self::At(t), Self::Between(from, to)) => {
                from <= t && t <= to
            }
            (Self::AtOrBetween(a, from, to), Self::At(t))
            | (Self::At(t), Self::AtOrBetween(a, from, to)) => a == t || (from <= t && t <= to),
            _ => true,
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::At(t) => t.fmt(f),
            Self::Between(from, to) => write!(f, "{from} to {to}"),
            Self::AtOrBetween(t, from, to) => write!(f, "{t} or {from} to {to}"),
        }
    }
}

/// What kind of file it is, with what only that kind has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File(Content),
    /// A directory.
    Directory,
    /// A symbolic link and its target.
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

impl Kind {
    /// The type in words, without what it holds.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Directory => "directory",
            Self::Symlink(_) => "symbolic link",
            Self::CharDevice(..) => "character device",
            Self::BlockDevice(..) => "block device",
            Self::Fifo => "FIFO",
            Self::Socket => "socket",
        }
    }
}

/// What is at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its type and content.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky: 07777 at most. Not
    /// compared for symbolic links, whose bits mean nothing.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When the content was last changed.
    pub mtime: When,
    /// Extended attributes by full name.
    pub xattrs: BTreeMap<OsString, Vec<u8>>,
    /// How many names the file has; `None` if nothing is said about it, as for
    /// directories.
    pub nlink: Option<u64>,
}

impl Entry {
    /// An entry of that kind: 0:0, any modification time, no attributes; 0755
    /// for directories, 0777 for symbolic links, else 0644.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let (mode, nlink) = match kind {
            Kind::Directory => (0o755, None),
            Kind::Symlink(_) => (0o777, Some(1)),
            _ => (0o644, Some(1)),
        };
        Self { kind, mode, uid: 0, gid: 0, mtime: When::Any, xattrs: BTreeMap::new(), nlink }
    }

    /// A regular file.
    #[must_use]
    pub fn file(content: impl AsRef<[u8]>) -> Self {
        Self::new(Kind::File(Content::of(content.as_ref())))
    }

    /// A directory.
    #[must_use]
    pub fn directory() -> Self {
        Self::new(Kind::Directory)
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(target: impl AsRef<OsStr>) -> Self {
        Self::new(Kind::Symlink(target.as_ref().to_owned()))
    }

    /// The same with these permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// The same with this owner and group.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    /// The same with this modification time.
    #[must_use]
    pub fn mtime(mut self, sec: i64, nsec: u32) -> Self {
        self.mtime = When::At(Timestamp { sec, nsec });
        self
    }

    /// The same with this attribute, in place of one of that name.
    #[must_use]
    pub fn xattr(mut self, name: impl AsRef<OsStr>, value: impl AsRef<[u8]>) -> Self {
        self.xattrs.insert(name.as_ref().to_owned(), value.as_ref().to_vec());
        self
    }

    /// Whether type, content or attributes are not the same. Link counts
    /// don't matter here, nor do permission bits of symbolic links.
    #[must_use]
    pub fn differs(&self, other: &Self) -> bool {
        let mode = |e: &Self| if matches!(e.kind, Kind::Symlink(_)) { 0 } else { e.mode };
        self.kind != other.kind
            || mode(self) != mode(other)
            || (self.uid, self.gid) != (other.uid, other.gid)
            || !self.mtime.agrees(other.mtime)
            || self.xattrs != other.xattrs
    }

    /// The content, if it is a regular file.
    #[must_use]
    pub fn content(&self) -> Option<&Content> {
        match &self.kind {
            Kind::File(content) => Some(content),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_times_agree_with_what_they_allow() {
        let t = |sec| Timestamp { sec, nsec: 0 };
        let at = |sec| When::At(t(sec));
        let rows = [
            (When::Any, at(1), true),
            (at(1), at(1), true),
            (at(1), at(2), false),
            (When::Between(t(1), t(3)), at(3), true),
            (When::Between(t(1), t(3)), at(4), false),
            (When::AtOrBetween(t(0), t(2), t(3)), at(0), true),
            (When::AtOrBetween(t(0), t(2), t(3)), at(1), false),
        ];
        for (a, b, expected) in rows {
            assert_eq!(a.agrees(b), expected, "{a} {b}");
            assert_eq!(b.agrees(a), expected, "{b} {a}");
        }
    }
}
