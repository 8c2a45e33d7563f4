//! The directory in which a node keeps its difference.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, mkdirat};
use rustix::io::Errno;
use sapwood_kit::at::xattr::{self, Target};
use sapwood_kit::at::{self, Meta, Time};
use sapwood_kit::fault;
use sapwood_kit::whiteout::is_content;

/// In each draft and layer: its difference. Views have none.
pub(crate) const DIFF: &str = "diff";
/// In a draft: the kernel's own, beside the difference.
pub(crate) const WORK: &str = "work";

/// Makes the directory of a difference, with the root of an empty tree.
pub(crate) fn make(dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    fault::point("overlay2.tree.mkdir")?;
    mkdirat(dir, DIFF, Mode::RWXU)?;
    let diff = open(dir)?;
    // The umask, and a default ACL above the root, are nobody's wish.
    for acl in ["system.posix_acl_access", "system.posix_acl_default"] {
        xattr::remove(Target::Open(diff.as_fd()), OsStr::new(acl))?;
    }
    make_plain(diff.as_fd())?;
    Ok(diff)
}

/// Gives a root without extended attributes the rest of an empty tree's.
pub(crate) fn make_plain(diff: BorrowedFd<'_>) -> io::Result<()> {
    fault::point("overlay2.tree.plain")?;
    at::chown(diff, 0, 0)?;
    at::chmod(diff, 0o755, false)?;
    let begin = Time { sec: 0, nsec: 0 };
    Ok(at::set_times(diff, begin, begin)?)
}

/// Opens the directory of a node's difference.
pub(crate) fn open(dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(at::open_dir(dir, OsStr::new(DIFF))?)
}

/// Makes the kernel's directory, unless it is there, and gives it to this user
/// and group.
pub(crate) fn make_work(dir: BorrowedFd<'_>, (uid, gid): (u32, u32)) -> io::Result<()> {
    fault::point("overlay2.tree.work")?;
    match mkdirat(dir, WORK, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(e) => return Err(e.into()),
    }
    let meta = Meta::at(dir, WORK.as_ref())?;
    match (meta.uid, meta.gid) == (uid, gid) {
        true => Ok(()),
        false => Ok(at::chown_at(dir, WORK.as_ref(), uid, gid)?),
    }
}

/// Gives the root of a difference the attributes of the root beneath it. The
/// topmost layer's root has the merged tree's, because each layer's has.
pub(crate) fn take_root_from(below: BorrowedFd<'_>, diff: BorrowedFd<'_>) -> io::Result<()> {
    fault::point("overlay2.tree.root")?;
    let meta = Meta::of(below)?;
    at::chown(diff, meta.uid, meta.gid)?;
    for (name, value) in xattr::read(Target::Open(below), is_content)? {
        xattr::set(Target::Open(diff), &name, &value)?;
    }
    at::chmod(diff, meta.mode, false)?;
    at::set_times(diff, meta.atime, meta.mtime)?;
    Ok(())
}
