//! The open directories between a root and where a walk is.
//!
//! A tree may be deeper than a process may have open files, and deeper than a
//! path may be long. So only the deepest directories are kept open; on the way
//! up, one that was closed is found again as `..` of its child, and it must be
//! the same file as before.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::{Errno, Result};

use super::meta::{FileId, Meta};

/// How many directories are kept open above the current one. Two walks side by
/// side stay far below the usual limit of 1,024 descriptors.
const KEEP: usize = 48;

/// A current directory, and the way back up to the root. `T` is what the
/// caller wants to remember of each directory.
#[derive(Debug)]
pub struct Descent<T> {
    dir: OwnedFd,
    data: T,
    /// Of each directory above the current one, the root first: what to
    /// remember, and the name of the next.
    above: Vec<(T, OsString)>,
    /// The last of those above that are open.
    open: VecDeque<OwnedFd>,
    /// Which files the first of those above are, that aren't open.
    closed: Vec<FileId>,
}

impl<T> Descent<T> {
    /// Starts at a root, open for reading.
    #[must_use]
    pub fn new(root: OwnedFd, data: T) -> Self {
        Self { dir: root, data, above: Vec::new(), open: VecDeque::new(), closed: Vec::new() }
    }

    /// The current directory.
    #[must_use]
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// What is remembered of the current directory.
    #[must_use]
    pub fn data(&self) -> &T {
        &self.data
    }

    /// What is remembered of the current directory, to change it.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.data
    }

    /// What is remembered of the current directory and, nearest first, of
    /// those above it.
    pub fn data_upwards_mut(&mut self) -> impl Iterator<Item = &mut T> {
        std::iter::once(&mut self.data).chain(self.above.iter_mut().rev().map(|(data, _)| data))
    }

    /// How many directories the current one is below the root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.above.len()
    }

    /// The names that lead from the root to the current directory.
    pub fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.above.iter().map(|(_, name)| name.as_os_str())
    }

    /// The name of the directory at `depth` below the root on the way to the
    /// current one; the first is at 0.
    #[must_use]
    pub fn name_at(&self, depth: usize) -> Option<&OsStr> {
        self.above.get(depth).map(|(_, name)| name.as_os_str())
    }

    /// The path of `name` in the current directory, relative to the root.
    #[must_use]
    pub fn join(&self, name: &OsStr) -> PathBuf {
        self.names().chain([name]).collect()
    }

    /// The path of the current directory, relative to the root; the root
    /// itself is `.`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        if self.above.is_empty() { PathBuf::from(".") } else { self.names().collect() }
    }

    /// Makes `dir`, the directory `name` in the current one, the current one.
    ///
    /// # Errors
    /// As fstat(2), with a directory far above; nothing is changed then.
    pub fn push(&mut self, name: OsString, dir: OwnedFd, data: T) -> Result<()> {
        if self.open.len() == KEEP
            && let Some(first) = self.open.front()
        {
            self.closed.push(Meta::of(first)?.id);
            self.open.pop_front();
        }
        self.open.push_back(std::mem::replace(&mut self.dir, dir));
        self.above.push((std::mem::replace(&mut self.data, data), name));
        Ok(())
    }

    /// Goes one directory up; returns the one left, its name and what was
    /// remembered of it, or `None` at the root.
    ///
    /// # Errors
    /// `STALE` if the directory above can't be found again, because somebody
    /// has moved it meanwhile; nothing is changed then.
    pub fn pop(&mut self) -> Result<Option<(OwnedFd, OsString, T)>> {
        if self.above.is_empty() {
            return Ok(None);
        }
        let parent = match self.open.pop_back() {
            Some(parent) => parent,
            None => self.find_parent()?,
        };
        Ok(self.above.pop().map(|(data, name)| {
            let dir = std::mem::replace(&mut self.dir, parent);
            (dir, name, std::mem::replace(&mut self.data, data))
        }))
    }

    fn find_parent(&mut self) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = fs::openat(&self.dir, "..", flags, Mode::empty())?;
        if Some(&Meta::of(&parent)?.id) != self.closed.last() {
            return Err(Errno::STALE);
        }
        self.closed.pop();
        Ok(parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::at::open_dir;

    /// A chain of `depth` directories, made by descriptor because its path is
    /// too long for any call.
    fn deep(depth: usize) -> (tempfile::TempDir, Descent<usize>) {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::open(dir.path(), OFlags::RDONLY, Mode::empty()).unwrap();
        let mut descent = Descent::new(root, 0);
        for level in 1..=depth {
            let name = OsString::from(format!("{level:0100}"));
            fs::mkdirat(descent.dir(), &name, Mode::RWXU).unwrap();
            let next = open_dir(descent.dir(), &name).unwrap();
            descent.push(name, next, level).unwrap();
        }
        (dir, descent)
    }

    #[test]
    fn a_deep_tree_is_left_the_way_it_was_entered() {
        let (_dir, mut descent) = deep(2000);
        assert_eq!((descent.depth(), *descent.data()), (2000, 2000));
        assert!(descent.open.len() <= KEEP);
        assert!(descent.path().as_os_str().len() > 200_000);
        for level in (1..=2000).rev() {
            let here = Meta::of(descent.dir()).unwrap().id;
            let (left, name, data) = descent.pop().unwrap().unwrap();
            assert_eq!((Meta::of(left).unwrap().id, data), (here, level));
            assert_eq!(Meta::at(descent.dir(), &name).unwrap().id, here);
        }
        assert!(descent.pop().unwrap().is_none());
        assert_eq!(descent.path(), PathBuf::from("."));
    }

    #[test]
    fn a_directory_that_was_moved_away_is_noticed() {
        let (dir, mut descent) = deep(100);
        let first = format!("{:0100}", 1);
        let second = format!("{first}/{:0100}", 2);
        std::fs::rename(dir.path().join(second), dir.path().join("moved")).unwrap();
        let mut ended = Ok(());
        while ended.is_ok() && descent.depth() > 0 {
            ended = descent.pop().map(drop);
        }
        assert_eq!((ended, descent.depth()), (Err(Errno::STALE), 2));
    }
}
