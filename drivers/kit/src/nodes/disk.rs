//! Small steps on directories and files, by descriptor: each either done or an
//! error, and each mutation a point at which a test can cut it off.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::at::{Meta, Names};
use crate::fault;

/// Node directories are nobody's business but the owner's: a set-user-ID file
/// in a container's tree must not be reachable for the host's users.
pub(super) const PRIVATE_DIR: Mode = Mode::RWXU;
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Records are some hundred bytes; what is larger isn't one.
const MAX_RECORD: u64 = 256 * 1024;

/// Opens a directory, never through a symbolic link.
pub(super) fn open_dir(at: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(fs::openat(at, name, flags, Mode::empty())?)
}

/// As [`open_dir`]; `None` if there is nothing of that name.
pub(super) fn find_dir(at: impl AsFd, name: &str) -> io::Result<Option<OwnedFd>> {
    absent_is_none(open_dir(at, name))
}

/// Opens the root by its path, the only time that one is used.
pub(super) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(fs::openat(CWD, path, flags, Mode::empty())?)
}

/// Whether there is anything of that name.
pub(super) fn is_there(at: impl AsFd, name: &str) -> io::Result<bool> {
    let found = fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW);
    Ok(absent_is_none(found.map_err(Into::into))?.is_some())
}

/// Turns "there is no such file" into `None`, and nothing else.
pub(super) fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Makes a directory of our own; `false` if there was one.
pub(super) fn make_dir(at: impl AsFd, name: &str) -> io::Result<bool> {
    match fs::mkdirat(at, name, PRIVATE_DIR) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Opens a small file of ours for reading; `None` if it isn't there.
pub(super) fn find_file(at: impl AsFd, name: &str) -> io::Result<Option<File>> {
    open_file(at, name, OFlags::RDONLY)
}

/// As [`find_file`], and for an exclusive lock, which wants a descriptor that
/// could write. Looking must not: it works on a read-only medium too.
pub(super) fn find_lockable(at: impl AsFd, name: &str) -> io::Result<Option<File>> {
    open_file(at, name, OFlags::RDWR)
}

fn open_file(at: impl AsFd, name: &str, access: OFlags) -> io::Result<Option<File>> {
    let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = fs::openat(at, name, flags, Mode::empty());
    Ok(absent_is_none(opened.map_err(Into::into))?.map(Into::into))
}

/// Reads a small file of ours. One that is too large is cut off, and can't be
/// understood then.
pub(super) fn read_all(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(512);
    file.take(MAX_RECORD).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes an empty file; no error if there is one.
pub(super) fn make_mark(at: impl AsFd, name: &str) -> io::Result<()> {
    fault::point("nodes.disk.mark")?;
    match fs::mknodat(at, name, FileType::RegularFile, PRIVATE_FILE, 0) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Writes a file, flushed only if `flush`. What was there is written over.
pub(super) fn write_file(at: impl AsFd, name: &str, bytes: &[u8], flush: bool) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::CLOEXEC;
    fault::point("nodes.disk.create")?;
    let fd = fs::openat(at, name, flags | OFlags::NOFOLLOW, PRIVATE_FILE)?;
    let mut file = File::from(fd);
    fault::point("nodes.disk.write")?;
    file.write_all(bytes)?;
    if flush {
        fault::point("nodes.disk.fsync")?;
        file.sync_all()?;
    }
    Ok(())
}

/// Replaces a file as a whole and durably: its readers see the old bytes or
/// the new, before and after a power cut.
pub(super) fn replace_file(at: impl AsFd, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!(".{name}.new");
    write_file(&at, &temporary, bytes, true)?;
    fault::point("nodes.disk.replace")?;
    fs::renameat(&at, temporary, &at, name)?;
    sync_dir(at)
}

/// Flushes a directory: names that were made, removed or renamed in it before
/// are on the medium after.
pub(super) fn sync_dir(dir: impl AsFd) -> io::Result<()> {
    fault::point("nodes.disk.fsync-dir")?;
    Ok(fs::fsync(dir)?)
}

/// Removes a file; `false` if there was none.
pub(super) fn remove_file(at: impl AsFd, name: &str) -> io::Result<bool> {
    fault::point("nodes.disk.unlink")?;
    Ok(absent_is_none(fs::unlinkat(at, name, AtFlags::empty()).map_err(Into::into))?.is_some())
}

/// Removes an empty directory; `false` if there was none.
pub(super) fn remove_dir(at: impl AsFd, name: &str) -> io::Result<bool> {
    fault::point("nodes.disk.rmdir")?;
    Ok(absent_is_none(fs::unlinkat(at, name, AtFlags::REMOVEDIR).map_err(Into::into))?.is_some())
}

/// The names in a directory, sorted.
pub(super) fn names(dir: impl AsFd) -> io::Result<Vec<OsString>> {
    // A descriptor of its own, because the position in a directory is shared.
    let names = Names::read(open_dir(dir, ".")?)?;
    Ok(names.iter().map(|entry| entry.name.to_owned()).collect())
}

/// Whether two descriptors are of the same file.
pub(super) fn same_file(a: impl AsFd, b: impl AsFd) -> io::Result<bool> {
    Ok(Meta::of(a)?.id == Meta::of(b)?.id)
}
