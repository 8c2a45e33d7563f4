//! What can be done to a tree. Names are few, so that operations meet.

use std::fmt::Debug;

/// One operation. Paths are relative to the union's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// open(O_CREAT | O_EXCL) with this mode.
    Create(String, u32),
    /// pwrite(2) of so many bytes at an offset, by a descriptor of its own.
    Write(String, u64, usize),
    /// write(2) at the end.
    Append(String, usize),
    /// truncate(2).
    Truncate(String, u64),
    /// open(O_TRUNC).
    Empty(String),
    /// mkdir(2) with this mode.
    Mkdir(String, u32),
    /// symlink(2): target, name.
    Symlink(String, String),
    /// mkfifo(3).
    Fifo(String),
    /// unlink(2).
    Unlink(String),
    /// rmdir(2).
    Rmdir(String),
    /// rename(2), with a flag.
    Rename(String, String, Flag),
    /// link(2).
    Link(String, String),
    /// chmod(2).
    Chmod(String, u32),
    /// lchown(2).
    Chown(String, u32, u32),
    /// utimensat(2) with a time long past.
    Utimens(String, i64),
    /// setxattr(2): an attribute's number, the length of its value.
    SetXattr(String, u8, usize),
    /// removexattr(2).
    RemoveXattr(String, u8),
    /// Names and types of a directory.
    Readdir(String),
    /// The content of a file.
    Read(String),
    /// lstat(2).
    Stat(String),
    /// Opens a file into one of a few slots, for writing or not, and keeps it open.
    Open(u8, String, bool),
    /// Writes through a slot: offset, length.
    SlotWrite(u8, u64, usize),
    /// Reads all through a slot.
    SlotRead(u8),
    /// ftruncate(2) through a slot.
    SlotTruncate(u8, u64),
    /// fstat(2) through a slot.
    SlotStat(u8),
    /// Closes a slot.
    Close(u8),
    /// Closes all slots, unmounts, mounts.
    Remount,
}

/// A flag of renameat2(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// None.
    Plain,
    /// RENAME_NOREPLACE.
    NoReplace,
    /// RENAME_EXCHANGE.
    Exchange,
}

impl Op {
    /// The operation's name without what it is done to.
    #[must_use]
    pub fn name(&self) -> String {
        let whole = format!("{self:?}");
        whole.split('(').next().unwrap_or_default().to_owned()
    }
}
