//! One name of a tree: making it in the copy, and giving it its attributes.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use crate::at::xattr::{self, Target};
use crate::at::{self, Handle, Kind, Meta};
use crate::fault;

/// Nobody else gets at a file whose owner and mode aren't set yet.
const UNFINISHED: u32 = 0o600;

/// Opens a regular file for reading without leaving a trace in its access
/// time, where we may: a layer stays as it is.
pub(super) fn open_source(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match fs::openat(dir, name, flags | OFlags::NOATIME, Mode::empty()) {
        // Only the owner and CAP_FOWNER may.
        Err(Errno::PERM) => Ok(fs::openat(dir, name, flags, Mode::empty())?),
        opened => Ok(opened?),
    }
}

/// Makes an empty regular file, open for writing.
pub(super) fn make_file(dir: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    injected("copy.file")?;
    at::create_file(dir, name, UNFINISHED)
}

/// Makes a file of another kind than a regular one or a directory.
pub(super) fn make_special(
    (from, to): (BorrowedFd<'_>, BorrowedFd<'_>),
    name: &OsStr,
    meta: &Meta,
) -> Result<(), Errno> {
    injected("copy.special")?;
    match meta.kind {
        Kind::Symlink => fs::symlinkat(at::read_link(from, name)?, to, name),
        kind => at::mknod(to, name, kind, UNFINISHED, meta.device),
    }
}

/// A fault in the terms of these calls.
fn injected(name: &'static str) -> Result<(), Errno> {
    fault::point(name).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
}

/// Gives an open file or directory the attributes of another. Its content is
/// complete: what is written later would have another time.
///
/// The owner first, because changing it takes away set-user-ID bits and file
/// capabilities; the times last, because everything else changes them.
pub(super) fn copy_attributes(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    meta: &Meta,
) -> io::Result<()> {
    fault::point("copy.attributes")?;
    at::chown(to, meta.uid, meta.gid)?;
    copy_xattrs(Target::Open(from), Target::Open(to))?;
    at::chmod(to, meta.mode, false)?;
    at::set_times(to, meta.atime, meta.mtime)?;
    Ok(())
}

/// As [`copy_attributes`], for what can't be opened without effect.
pub(super) fn copy_special_attributes(
    (from, to): (BorrowedFd<'_>, BorrowedFd<'_>),
    name: &OsStr,
    meta: &Meta,
) -> io::Result<()> {
    fault::point("copy.attributes")?;
    let made = Handle::open(to, name)?;
    at::chown(&made, meta.uid, meta.gid)?;
    copy_xattrs(Target::Entry(from, name), Target::Path(made.as_fd()))?;
    if meta.kind != Kind::Symlink {
        at::chmod(&made, meta.mode, true)?;
    }
    at::set_times(&made, meta.atime, meta.mtime)?;
    Ok(())
}

fn copy_xattrs(from: Target<'_>, to: Target<'_>) -> io::Result<()> {
    for (name, value) in xattr::read(from, |_| true)? {
        xattr::set(to, &name, &value)?;
    }
    Ok(())
}

/// Takes from the root of the copy what it has inherited from the directory it
/// was made in, and would pass on: a default ACL, and the set-group-ID bit.
pub(super) fn disinherit(root: BorrowedFd<'_>) -> io::Result<()> {
    for acl in ["system.posix_acl_default", "system.posix_acl_access"] {
        xattr::remove(Target::Open(root), OsStr::new(acl))?;
    }
    Ok(at::chmod(root, 0o700, false)?)
}
