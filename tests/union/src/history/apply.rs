//! An operation done to a mounted tree, and what it answers.

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, Uid,
    XattrFlags,
};
use rustix::io::Errno;

use crate::history::op::{Flag, Op};
use crate::tree::Tree;

/// What an operation answers: words that are the same wherever it does the same.
pub(crate) type Answer = Result<String, Errno>;

/// How many files may be kept open.
const SLOTS: usize = 3;

/// A mounted tree, and files that are kept open in it.
#[derive(Debug)]
pub(crate) struct Hands {
    tree: Tree,
    slots: [Option<File>; SLOTS],
    /// Counts operations, so that each writes bytes of its own.
    count: u8,
}

impl Hands {
    pub(crate) fn on(tree: Tree) -> Self {
        Self { tree, slots: Default::default(), count: 0 }
    }

    /// Does an operation. A remount is the caller's.
    pub(crate) fn apply(&mut self, op: &Op) -> Answer {
        self.count = self.count.wrapping_add(1);
        match op {
            Op::Open(slot, path, write) => self.open(*slot, path, *write),
            Op::SlotWrite(slot, at, length) => {
                let bytes = self.bytes(*length);
                done(self.slot(*slot)?.write_all_at(&bytes, *at).map_err(|e| errno(&e)))
            }
            Op::SlotRead(slot) => content(self.slot(*slot)?),
            Op::SlotTruncate(slot, size) => done(rustix::fs::ftruncate(self.slot(*slot)?, *size)),
            Op::SlotStat(slot) => Ok(shown(&rustix::fs::fstat(self.slot(*slot)?)?)),
            Op::Close(slot) => {
                self.slots[usize::from(*slot)] = None;
                Ok(String::new())
            }
            Op::Write(..) | Op::Append(..) | Op::Truncate(..) | Op::Empty(_) => self.write(op),
            Op::Readdir(_) | Op::Read(_) | Op::Stat(_) => self.look(op),
            Op::Create(..) | Op::Mkdir(..) | Op::Symlink(..) | Op::Fifo(_) => self.make(op),
            Op::Unlink(_) | Op::Rmdir(_) | Op::Rename(..) | Op::Link(..) => self.names(op),
            _ => self.attributes(op),
        }
    }

    fn bytes(&self, length: usize) -> Vec<u8> {
        vec![b'0' + self.count % 70; length]
    }

    fn slot(&self, slot: u8) -> Result<&File, Errno> {
        self.slots[usize::from(slot)].as_ref().ok_or(Errno::BADF)
    }

    fn open(&mut self, slot: u8, path: &str, write: bool) -> Answer {
        let way = if write { OFlags::RDWR } else { OFlags::RDONLY };
        // A FIFO would wait for a peer.
        let file = self.tree.open_file(path, way | OFlags::NONBLOCK)?;
        if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) == FileType::RegularFile {
            self.slots[usize::from(slot)] = Some(file);
        }
        Ok(String::new())
    }

    fn write(&self, op: &Op) -> Answer {
        let open = |path: &str, flags| {
            self.tree.open_file(path, OFlags::WRONLY | OFlags::NONBLOCK | flags)
        };
        match op {
            Op::Write(path, at, length) => {
                let file = open(path, OFlags::empty())?;
                done(file.write_all_at(&self.bytes(*length), *at).map_err(|e| errno(&e)))
            }
            Op::Append(path, length) => {
                let file = open(path, OFlags::APPEND)?;
                Ok(rustix::io::write(file, &self.bytes(*length))?.to_string())
            }
            Op::Truncate(path, size) => {
                done(rustix::fs::ftruncate(open(path, OFlags::empty())?, *size))
            }
            Op::Empty(path) => done(open(path, OFlags::TRUNC).map(drop)),
            _ => Ok(String::new()),
        }
    }

    fn look(&self, op: &Op) -> Answer {
        match op {
            Op::Readdir(path) => listed(&self.tree, path),
            Op::Read(path) => {
                content(&self.tree.open_file(path, OFlags::RDONLY | OFlags::NONBLOCK)?)
            }
            Op::Stat(path) => Ok(shown(&self.tree.stat(path)?)),
            _ => Ok(String::new()),
        }
    }

    fn make(&self, op: &Op) -> Answer {
        let tree = &self.tree;
        match op {
            Op::Create(path, mode) => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
                let made = rustix::fs::open(tree.path(path), flags, Mode::from_raw_mode(*mode));
                done(made.map(drop))
            }
            Op::Mkdir(path, mode) => {
                done(rustix::fs::mkdir(tree.path(path), Mode::from_raw_mode(*mode)))
            }
            Op::Symlink(target, path) => done(tree.symlink(target.as_str(), path)),
            Op::Fifo(path) => done(tree.node(path, FileType::Fifo, 0o640, (0, 0))),
            _ => Ok(String::new()),
        }
    }

    fn names(&self, op: &Op) -> Answer {
        let tree = &self.tree;
        match op {
            Op::Unlink(path) => done(rustix::fs::unlink(tree.path(path))),
            Op::Rmdir(path) => done(tree.rmdir(path)),
            Op::Rename(from, to, flag) => done(tree.rename_with(from, to, flags_of(*flag))),
            Op::Link(from, to) => done(rustix::fs::link(tree.path(from), tree.path(to))),
            _ => Ok(String::new()),
        }
    }

    fn attributes(&self, op: &Op) -> Answer {
        let tree = &self.tree;
        match op {
            Op::Chmod(path, mode) => {
                done(rustix::fs::chmod(tree.path(path), Mode::from_raw_mode(*mode)))
            }
            Op::Chown(path, uid, gid) => {
                let (uid, gid) = (Some(Uid::from_raw(*uid)), Some(Gid::from_raw(*gid)));
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                done(rustix::fs::chownat(CWD, tree.path(path), uid, gid, flags))
            }
            Op::Utimens(path, seconds) => {
                let time = Timespec { tv_sec: *seconds, tv_nsec: 123_456_789 };
                let times = Timestamps { last_access: time, last_modification: time };
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                done(rustix::fs::utimensat(CWD, tree.path(path), &times, flags))
            }
            Op::SetXattr(path, key, length) => {
                let value = self.bytes(*length);
                done(tree.try_set_xattr(path, KEYS[usize::from(*key)], &value, XattrFlags::empty()))
            }
            Op::RemoveXattr(path, key) => done(tree.remove_xattr(path, KEYS[usize::from(*key)])),
            _ => Ok(String::new()),
        }
    }
}

const KEYS: [&str; 4] = ["user.one", "user.two", "trusted.three", "security.four"];

fn flags_of(flag: Flag) -> RenameFlags {
    match flag {
        Flag::Plain => RenameFlags::empty(),
        Flag::NoReplace => RenameFlags::NOREPLACE,
        Flag::Exchange => RenameFlags::EXCHANGE,
    }
}

fn done(result: Result<(), Errno>) -> Answer {
    result.map(|()| String::new())
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

fn shown(stat: &Stat) -> String {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let size = if kind == FileType::Directory { 0 } else { stat.st_size };
    let links = if kind == FileType::Directory { 0 } else { stat.st_nlink };
    let (mode, uid, gid) = (stat.st_mode, stat.st_uid, stat.st_gid);
    format!("{mode:o} {uid}:{gid} size {size} links {links}")
}

fn listed(tree: &Tree, path: &str) -> Answer {
    let dir = tree.open(path, OFlags::DIRECTORY | OFlags::RDONLY)?;
    let mut names = Vec::new();
    for entry in Dir::new(dir)? {
        let entry = entry?;
        names.push(format!("{}:{:?}", entry.file_name().to_string_lossy(), entry.file_type()));
    }
    names.sort();
    Ok(names.join(" "))
}

/// Length and runs of equal bytes.
fn content(file: &File) -> Answer {
    let stat = rustix::fs::fstat(file)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Fifo {
        return Ok("a fifo".into());
    }
    let mut bytes = vec![0; 64 << 10];
    let mut length = 0;
    loop {
        match rustix::io::pread(file, &mut bytes[length..], length as u64)? {
            0 => break,
            more => length += more,
        }
    }
    bytes.truncate(length);
    let mut words = format!("{length} bytes:");
    for run in bytes.chunk_by(|a, b| a == b) {
        // Writing to a string can't fail.
        let wrote = write!(words, " {}x{:02x}", run.len(), run[0]);
        debug_assert!(wrote.is_ok());
    }
    Ok(words)
}
