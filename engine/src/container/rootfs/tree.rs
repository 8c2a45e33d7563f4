//! A directory tree that is entered by descriptor and never left.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2, symlinkat};
use rustix::io::Errno;

use crate::container::error::{Error, Result};
use crate::fault;

/// Files that are read whole are no larger: an image can't make the engine run
/// out of memory.
const MOST: u64 = 4 << 20;

/// A tree, seen as a process whose root it is would see it: absolute symbolic
/// links begin at its root, and `..` ends there.
#[derive(Debug, Clone, Copy)]
pub struct Tree<'a> {
    root: BorrowedFd<'a>,
}

impl<'a> Tree<'a> {
    /// The tree beneath an open directory.
    #[must_use]
    pub fn new(root: BorrowedFd<'a>) -> Self {
        Self { root }
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        openat2(self.root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)
    }

    /// Reads a file; `None` if it isn't there, or isn't a plain file.
    ///
    /// # Errors
    /// It is larger than 4 MiB, or can't be read.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        // A FIFO would block, and opening a device can do anything.
        let fd = match self.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(e) => return Err(Error::io_at("open the container's", path, e)),
        };
        let at = |e| Error::io_at("read the container's", path, e);
        let file = File::from(fd);
        let meta = file.metadata().map_err(at)?;
        if !meta.is_file() {
            return Ok(None);
        }
        if meta.len() > MOST {
            return Err(Error::invalid(format!("the container's {} is too large", path.display())));
        }
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes).map_err(at)?;
        Ok(Some(bytes))
    }

    /// Makes a directory and those above it, 0755 and the caller's, where they
    /// aren't there.
    ///
    /// # Errors
    /// A part of the path is there and isn't a directory.
    pub fn make_dirs(&self, path: &Path) -> Result<()> {
        self.enter(path).map(drop).map_err(|e| Error::io_at("make the container's", path, e))
    }

    /// The directory of that path, made where it isn't there.
    fn enter(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let mut so_far = std::path::PathBuf::from("/");
        let mut dir = self.open(&so_far, OFlags::PATH | OFlags::DIRECTORY)?;
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            so_far.push(name);
            // By the whole path from the root, so that links are followed as
            // they will be from inside.
            dir = match self.open(&so_far, OFlags::PATH | OFlags::DIRECTORY) {
                Err(Errno::NOENT) => {
                    match mkdirat(&dir, name, Mode::from_raw_mode(0o755)) {
                        // A dangling link has the name: it leads nowhere.
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(e) => return Err(e),
                    }
                    self.open(&so_far, OFlags::PATH | OFlags::DIRECTORY)?
                }
                opened => opened?,
            };
        }
        Ok(dir)
    }

    /// Makes an empty file, 0755 as a mount point of Docker's is, unless the
    /// name is taken.
    ///
    /// # Errors
    /// Its directory can't be made, or the file can't.
    pub fn make_file(&self, path: &Path) -> Result<()> {
        self.in_parent(path, |dir, name| {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o755)).map(drop)
        })
    }

    /// Makes a symbolic link unless the name is taken.
    ///
    /// # Errors
    /// As [`Tree::make_file`].
    pub fn make_link(&self, path: &Path, target: &str) -> Result<()> {
        self.in_parent(path, |dir, name| symlinkat(target, dir, name))
    }

    fn in_parent(
        &self,
        path: &Path,
        make: impl FnOnce(BorrowedFd<'_>, &Path) -> Result<(), Errno>,
    ) -> Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::invalid(format!("{} names no file", path.display())));
        };
        let attempt = || -> io::Result<()> {
            fault::point("run.tree.make")?;
            match make(self.enter(parent)?.as_fd(), Path::new(name)) {
                Ok(()) | Err(Errno::EXIST) => Ok(()),
                Err(e) => Err(e.into()),
            }
        };
        attempt().map_err(|e| Error::io_at("make the container's", path, e))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> (tempfile::TempDir, OwnedFd) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("etc")).unwrap();
        let fd = OwnedFd::from(File::open(dir.path()).unwrap());
        (dir, fd)
    }

    #[test]
    fn links_are_followed_inside() {
        let (dir, fd) = tree();
        let tree = Tree::new(fd.as_fd());
        fs::write(dir.path().join("etc/real"), "inside").unwrap();
        symlink("/etc/real", dir.path().join("etc/absolute")).unwrap();
        symlink("../../../../etc/real", dir.path().join("etc/climbing")).unwrap();
        symlink("/etc/hostname-of-the-host", dir.path().join("etc/dangling")).unwrap();
        for name in ["/etc/absolute", "etc/climbing", "/etc/../../etc/real"] {
            assert_eq!(tree.read(Path::new(name)).unwrap().as_deref(), Some(&b"inside"[..]));
        }
        assert_eq!(tree.read(Path::new("/etc/dangling")).unwrap(), None);
    }

    #[test]
    fn what_is_no_plain_file_is_not_read() {
        let (dir, fd) = tree();
        let tree = Tree::new(fd.as_fd());
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("etc/fifo"),
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o644),
            0,
        )
        .unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        for name in ["/etc/fifo", "/etc", "/loop", "/none", "/etc/fifo/x"] {
            assert_eq!(tree.read(Path::new(name)).unwrap(), None, "{name}");
        }
        File::create(dir.path().join("big")).unwrap().set_len(MOST + 1).unwrap();
        assert!(tree.read(Path::new("/big")).is_err());
    }

    #[test]
    fn things_are_made_inside_and_nothing_is_replaced() {
        let (dir, fd) = tree();
        let tree = Tree::new(fd.as_fd());
        symlink("/elsewhere", dir.path().join("srv")).unwrap();
        fs::create_dir(dir.path().join("elsewhere")).unwrap();
        fs::write(dir.path().join("etc/hosts"), "kept").unwrap();
        tree.make_dirs(Path::new("/srv/a/../b/c")).unwrap();
        tree.make_file(Path::new("/etc/hosts")).unwrap();
        tree.make_file(Path::new("/new/file")).unwrap();
        tree.make_link(Path::new("/etc/mtab"), "/proc/mounts").unwrap();
        assert!(dir.path().join("elsewhere/a/b/c").is_dir());
        assert_eq!(fs::read_to_string(dir.path().join("etc/hosts")).unwrap(), "kept");
        assert!(dir.path().join("new/file").is_file());
        assert!(tree.make_dirs(Path::new("/etc/hosts/x")).is_err());
    }
}
