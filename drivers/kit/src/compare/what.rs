//! How a path differs, and how that is said.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::at::{Device, Kind, Time};

/// A path that isn't as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Relative to the root; the root itself is `.`.
    pub path: PathBuf,
    /// In what it differs; at least one thing.
    pub all: Vec<What>,
}

impl Difference {
    /// Whether nothing is said of what is beneath this path, because all of it
    /// differs with it.
    #[must_use]
    pub fn is_of_all_beneath(&self) -> bool {
        self.all.iter().any(|what| {
            matches!(what, What::Missing(_) | What::Extra(_))
                || matches!(what, What::Kind(kinds)
                    if [kinds.expected, kinds.found].contains(&Kind::Directory))
        })
    }

    /// Whether what is there has other bytes than it should have.
    #[must_use]
    pub fn is_of_content(&self) -> bool {
        self.all.iter().any(|what| matches!(what, What::Size(_) | What::Content))
    }
}

impl fmt::Display for Difference {
    /// One clause for each thing: `"etc/passwd": it has mode 0666, not 0644`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: ", self.path)?;
        for (index, what) in self.all.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{what}")?;
        }
        Ok(())
    }
}

/// A value that should be another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<T> {
    /// What it should be.
    pub expected: T,
    /// What it is.
    pub found: T,
}

/// One thing in which a path differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Nothing is there where something of this type should be.
    Missing(Kind),
    /// Something of this type is there where nothing should be.
    Extra(Kind),
    /// Another type; then nothing else is compared.
    Kind(Value<Kind>),
    /// Permission bits, setuid, setgid, sticky.
    Mode(Value<u32>),
    /// User and group.
    Owner(Value<(u32, u32)>),
    /// The time of the last change of content.
    Modified(Value<Time>),
    /// A regular file's length; then its bytes aren't compared.
    Size(Value<u64>),
    /// A regular file's bytes.
    Content,
    /// A symbolic link's target.
    Target(Value<OsString>),
    /// A device's number.
    Device(Value<Device>),
    /// An extended attribute that isn't there.
    XattrMissing(OsString),
    /// An extended attribute that shouldn't be there.
    XattrExtra(OsString),
    /// The value of an extended attribute.
    XattrValue(OsString),
    /// It should be another name of the file at this path, and isn't.
    Unlinked(PathBuf),
    /// It is another name of the file at this path, and shouldn't be.
    Linked(PathBuf),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(kind) => write!(f, "{} is gone", words(*kind)),
            Self::Extra(kind) => write!(f, "{} that doesn't belong there", words(*kind)),
            Self::Kind(v) => write!(f, "it is {}, not {}", words(v.found), words(v.expected)),
            Self::Mode(v) => write!(f, "it has mode {:04o}, not {:04o}", v.found, v.expected),
            Self::Owner(Value { expected: (uid, gid), found: (uid_now, gid_now) }) => {
                write!(f, "it belongs to {uid_now}:{gid_now}, not {uid}:{gid}")
            }
            Self::Modified(v) => {
                write!(f, "it has modification time {}, not {}", time(v.found), time(v.expected))
            }
            Self::Size(v) => write!(f, "it has {} bytes, not {}", v.found, v.expected),
            Self::Content => f.write_str("it has other bytes"),
            Self::Target(v) => write!(f, "it leads to {:?}, not {:?}", v.found, v.expected),
            Self::Device(v) => {
                write!(f, "it is device {}, not {}", number(v.found), number(v.expected))
            }
            Self::XattrMissing(name) => write!(f, "it lacks the attribute {name:?}"),
            Self::XattrExtra(name) => write!(f, "it has an attribute {name:?} that isn't its own"),
            Self::XattrValue(name) => write!(f, "its attribute {name:?} has another value"),
            Self::Unlinked(to) => write!(f, "it isn't the same file as {to:?} any more"),
            Self::Linked(to) => write!(f, "it is the same file as {to:?}, and shouldn't be"),
        }
    }
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "a file",
        Kind::Directory => "a directory",
        Kind::Symlink => "a symbolic link",
        Kind::CharDevice => "a character device",
        Kind::BlockDevice => "a block device",
        Kind::Fifo => "a FIFO",
        Kind::Socket => "a socket",
    }
}

fn time(time: Time) -> String {
    format!("{}.{:09}", time.sec, time.nsec)
}

fn number(device: Device) -> String {
    format!("{}:{}", device.major, device.minor)
}

/// The difference that a value makes, if it makes one.
pub(super) fn differs<T: PartialEq>(
    expected: T,
    found: T,
    what: impl FnOnce(Value<T>) -> What,
) -> Option<What> {
    (expected != found).then(|| what(Value { expected, found }))
}
