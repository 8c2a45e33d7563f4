//! Removing whole trees by descriptor, however deep.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

use super::descent::Descent;
use super::list::Names;
use super::meta::Kind;
use crate::fault;

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names, directories included.
    pub entries: u64,
}

/// Removes `name` in `dir` with everything beneath it. What isn't there is
/// removed already.
///
/// Never crosses a mount: one in the tree is `XDEV` or `BUSY`, and whatever is
/// mounted there stays. Memory grows with the depth and with the number of
/// directories in one directory; the process's limit of open files doesn't
/// matter.
///
/// # Errors
/// The first one met; what was removed by then stays removed, and calling
/// again goes on.
pub fn remove_tree(dir: impl AsFd, name: &OsStr) -> Result<Removed> {
    let dir = dir.as_fd();
    match unlink_name(dir, name) {
        Ok(()) => return Ok(Removed { entries: 1 }),
        Err(Errno::NOENT) => return Ok(Removed::default()),
        // Linux says ISDIR; POSIX allows PERM, which some file systems give.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(e) => return Err(e),
    }
    let mut removed = match enter(dir, name) {
        Ok(root) => empty(root)?,
        Err(Errno::NOENT) => return Ok(Removed::default()),
        Err(e) => return Err(e),
    };
    remove_dir(dir, name)?;
    removed.entries += 1;
    Ok(removed)
}

fn unlink_name(dir: BorrowedFd<'_>, name: &OsStr) -> Result<()> {
    injected("at.remove.unlink")?;
    fs::unlinkat(dir, name, AtFlags::empty())
}

fn remove_dir(dir: BorrowedFd<'_>, name: &OsStr) -> Result<()> {
    injected("at.remove.rmdir")?;
    fs::unlinkat(dir, name, AtFlags::REMOVEDIR)
}

/// A fault in the terms of these calls.
fn injected(name: &'static str) -> Result<()> {
    fault::point(name).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
}

/// Removes everything in the directory that `dir` is open on, as
/// [`remove_tree`] does; the directory itself stays.
///
/// # Errors
/// As [`remove_tree`].
pub fn remove_contents(dir: impl AsFd) -> Result<Removed> {
    empty(enter(dir.as_fd(), OsStr::new("."))?)
}

/// Directories of the current one that are still to be removed.
type Rest = Vec<OsString>;

fn empty(root: OwnedFd) -> Result<Removed> {
    let mut removed = Removed::default();
    let rest = unlink_files(root.as_fd(), &mut removed)?;
    let mut descent: Descent<Rest> = Descent::new(root, rest);
    loop {
        if let Some(name) = descent.data_mut().pop() {
            let dir = enter(descent.dir(), &name)?;
            let rest = unlink_files(dir.as_fd(), &mut removed)?;
            descent.push(name, dir, rest)?;
        } else if let Some((_, name, _)) = descent.pop()? {
            remove_dir(descent.dir(), &name)?;
            removed.entries += 1;
        } else {
            return Ok(removed);
        }
    }
}

/// Removes what isn't a directory; returns the names of what is.
fn unlink_files(dir: BorrowedFd<'_>, removed: &mut Removed) -> Result<Rest> {
    let mut directories = Rest::new();
    for entry in Names::read(dir)?.iter() {
        if entry.kind == Some(Kind::Directory) || !unlink(dir, entry.name)? {
            directories.push(entry.name.to_owned());
        } else {
            removed.entries += 1;
        }
    }
    Ok(directories)
}

/// Whether the name could be unlinked; false for a directory.
fn unlink(dir: BorrowedFd<'_>, name: &OsStr) -> Result<bool> {
    match unlink_name(dir, name) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::ISDIR) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Opens a directory, but not one of another mount: what somebody has mounted
/// in the tree isn't ours to delete.
fn enter(dir: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let how = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    fs::openat2(dir, name, flags, Mode::empty(), how)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::at::open_dir;

    fn root() -> (tempfile::TempDir, OwnedFd) {
        let dir = tempfile::tempdir().unwrap();
        let fd = fs::open(dir.path(), OFlags::RDONLY, Mode::empty()).unwrap();
        (dir, fd)
    }

    #[test]
    fn everything_goes_and_links_are_not_followed() {
        let (dir, fd) = root();
        let path = dir.path();
        std::fs::create_dir_all(path.join("t/a/b")).unwrap();
        std::fs::create_dir(path.join("keep")).unwrap();
        std::fs::write(path.join("keep/file"), b"x").unwrap();
        std::fs::write(path.join("t/a/file"), b"x").unwrap();
        symlink("../keep", path.join("t/link")).unwrap();
        assert_eq!(remove_tree(&fd, OsStr::new("t")).unwrap(), Removed { entries: 5 });
        assert_eq!(remove_tree(&fd, OsStr::new("t")).unwrap(), Removed { entries: 0 });
        assert_eq!(std::fs::read(path.join("keep/file")).unwrap(), b"x");
        symlink("keep", path.join("link")).unwrap();
        assert_eq!(remove_tree(&fd, OsStr::new("link")).unwrap(), Removed { entries: 1 });
        remove_contents(&fd).unwrap();
        assert!(Names::read(&fd).unwrap().is_empty());
    }

    #[test]
    fn depth_has_no_limit() {
        let (_dir, fd) = root();
        let mut current = rustix::io::dup(&fd).unwrap();
        let name = OsStr::new("directory");
        for _ in 0..5000 {
            fs::mkdirat(&current, name, Mode::RWXU).unwrap();
            current = open_dir(&current, name).unwrap();
        }
        assert_eq!(remove_tree(&fd, name).unwrap(), Removed { entries: 5000 });
        assert!(Names::read(&fd).unwrap().is_empty());
    }
}
