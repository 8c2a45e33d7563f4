//! The operations that histories are made of.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::snapshot::Timestamp;
use crate::tree::Rename;

/// One step of a history.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Op {
    /// Something done to a file of the mounted draft.
    File(PathBuf, Action),
    /// Unmounts the draft, asks for its changes, mounts it again.
    Remount,
    /// Leaves the draft's mount standing, opens the driver anew, adopts it.
    Persist,
    /// Unmounts the draft, opens the driver anew, mounts it again.
    Reopen,
    /// Makes a layer of the draft.
    Commit,
    /// Removes the draft.
    Discard,
    /// Prepares and mounts a draft on that layer, the first being 0; on
    /// nothing without a number.
    Child(Option<usize>),
    /// Takes that layer's difference to another draft of its parent, whose
    /// tree must be the layer's.
    RoundTrip {
        /// The layer, the first being 0.
        layer: usize,
        /// Whether the draft learns of its parent only at commit.
        deferred: bool,
    },
}

/// What is done to a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// An empty regular file is made.
    Create(u32),
    /// A directory is made.
    Mkdir(u32),
    /// A symbolic link to that target is made.
    Symlink(OsString),
    /// A character device of that number is made.
    CharDevice(u32, u32),
    /// A block device of that number is made.
    BlockDevice(u32, u32),
    /// A FIFO is made.
    Fifo(u32),
    /// A socket is made.
    Socket(u32),
    /// Bytes are written at an offset.
    Write(u64, Fill),
    /// Bytes are written at the end.
    Append(Fill),
    /// All bytes are replaced, by `O_TRUNC`.
    Rewrite(Fill),
    /// Bytes are written at an offset through a mapping.
    MapWrite(u64, Fill),
    /// The length is set.
    Truncate(u64),
    /// A hole is punched, from an offset, of a length.
    Punch(u64, u64),
    /// Another name is made.
    Link(PathBuf),
    /// It gets that name.
    Rename(PathBuf, Rename),
    /// The name is taken away.
    Unlink,
    /// The directory is removed.
    Rmdir,
    /// Permission bits are set.
    Chmod(u32),
    /// Owner and group are set.
    Chown(u32, u32),
    /// The modification time is set, to now without one.
    SetTime(Option<Timestamp>),
    /// An extended attribute is set.
    SetXattr(OsString, Vec<u8>),
    /// An extended attribute is removed.
    RemoveXattr(OsString),
}

/// Bytes that are the same whenever they are made, and rarely zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fill {
    /// What tells them from others.
    pub seed: u8,
    /// How many.
    pub len: u32,
}

impl Fill {
    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        let mut state = u32::from(self.seed).wrapping_mul(0x9e37_79b9) | 1;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(self.len as usize).collect()
    }
}

/// What kind of operation it is, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // Named as what they count.
pub enum Kind {
    Create,
    Write,
    WriteFar,
    Append,
    Rewrite,
    MapWrite,
    Truncate,
    Punch,
    Mkdir,
    Symlink,
    CharDevice,
    BlockDevice,
    Fifo,
    Socket,
    Link,
    RenameFile,
    RenameDirectory,
    RenameOver,
    RenameNoReplace,
    Exchange,
    Unlink,
    Rmdir,
    Chmod,
    Chown,
    SetTime,
    SetXattr,
    RemoveXattr,
    Remount,
    Persist,
    Reopen,
    Commit,
    Discard,
    Child,
    RoundTrip,
    RoundTripDeferred,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 35] = [
        Self::Create,
        Self::Write,
        Self::WriteFar,
        Self::Append,
        Self::Rewrite,
        Self::MapWrite,
        Self::Truncate,
        Self::Punch,
        Self::Mkdir,
        Self::Symlink,
        Self::CharDevice,
        Self::BlockDevice,
        Self::Fifo,
        Self::Socket,
        Self::Link,
        Self::RenameFile,
        Self::RenameDirectory,
        Self::RenameOver,
        Self::RenameNoReplace,
        Self::Exchange,
        Self::Unlink,
        Self::Rmdir,
        Self::Chmod,
        Self::Chown,
        Self::SetTime,
        Self::SetXattr,
        Self::RemoveXattr,
        Self::Remount,
        Self::Persist,
        Self::Reopen,
        Self::Commit,
        Self::Discard,
        Self::Child,
        Self::RoundTrip,
        Self::RoundTripDeferred,
    ];
}
