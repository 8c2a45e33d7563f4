//! The walk over the source. A directory is a job; so is a batch of the names
//! in it, so that one large directory keeps all threads busy. Directories that
//! wait are known by path, and only those that are being worked on are open.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use graphdriver_api::{Error, Op, Result};
use rustix::fs::{Mode, mkdirat};

use super::content::Ways;
use super::links::Links;
use super::{Copied, entry, pool};
use crate::at::{Kind, Meta, Names};
use crate::{deep, fault};

/// How many names are one job: some milliseconds of work.
const BATCH: usize = 64;

pub(super) fn copy(
    op: Op,
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    threads: usize,
) -> Result<Copied> {
    let tree = Tree {
        op,
        from,
        to,
        ways: Ways::new(),
        links: Links::default(),
        entries: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    };
    tree.run(threads)
}

/// What all jobs share.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    pub(super) op: Op,
    pub(super) from: BorrowedFd<'a>,
    pub(super) to: BorrowedFd<'a>,
    pub(super) ways: Ways,
    pub(super) links: Links,
    pub(super) entries: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// A directory that is being copied.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    from: OwnedFd,
    to: OwnedFd,
    names: Names,
    /// Batches that haven't ended; who ends the last finishes the directory.
    batches: AtomicUsize,
}

#[derive(Debug)]
enum Job {
    Directory(PathBuf),
    Batch(Arc<Directory>, usize),
}

type Jobs = pool::Jobs<Job, Error>;

impl Tree<'_> {
    pub(super) fn run(&self, threads: usize) -> Result<Copied> {
        let root = Path::new(".");
        self.named(root, "prepare the copy's root", entry::disinherit(self.to))?;
        pool::run(threads, Job::Directory(PathBuf::new()), |jobs, job| match job {
            Job::Directory(path) => self.directory(jobs, &path),
            Job::Batch(directory, number) => self.batch(jobs, &directory, number),
        })?;
        // The root's own attributes are the very last change, so its ctime
        // isn't earlier than any other in the copy.
        self.named(root, "copy the attributes", self.finish(self.from, self.to))?;
        let ended = self.named(root, "look at the copy", Meta::of(self.to).map_err(Into::into))?;
        Ok(Copied {
            entries: self.entries.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            baseline: ended.ctime,
        })
    }

    fn named<T>(&self, path: &Path, doing: &'static str, result: io::Result<T>) -> Result<T> {
        result.map_err(|e| Error::io(self.op, doing, e).with_path(path))
    }

    fn directory(&self, jobs: &Jobs, path: &Path) -> Result<()> {
        let opened = self.open(path);
        let directory = Arc::new(self.named(path, "open the directory", opened)?);
        let batches = directory.names.len().div_ceil(BATCH);
        directory.batches.store(batches, Ordering::Relaxed);
        if batches == 0 {
            return self.end(&directory);
        }
        jobs.add((0..batches).rev().map(|number| Job::Batch(Arc::clone(&directory), number)));
        Ok(())
    }

    fn open(&self, path: &Path) -> io::Result<Directory> {
        let from = deep::open_dir(self.from, path)?;
        let to = deep::open_dir(self.to, path)?;
        let names = Names::read(&from)?;
        Ok(Directory { path: path.to_owned(), from, to, names, batches: AtomicUsize::new(0) })
    }

    fn batch(&self, jobs: &Jobs, directory: &Arc<Directory>, number: usize) -> Result<()> {
        let mut below = Vec::new();
        for index in number * BATCH..(number + 1) * BATCH {
            let Some(found) = directory.names.get(index) else { break };
            let name = found.name.to_owned();
            let path = || directory.path.join(&name);
            let copied = self.name(directory, &name);
            let is_directory =
                copied.map_err(|e| Error::io(self.op, "copy the file", e).with_path(path()))?;
            if is_directory {
                below.push(Job::Directory(path()));
            }
        }
        // Before what is below is begun: directories are left as soon as may be.
        if directory.batches.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.end(directory)?;
        }
        jobs.add(below.into_iter().rev());
        Ok(())
    }

    /// Gives a directory its attributes, when all names in it are made. What is
    /// in the directories below doesn't matter to it.
    fn end(&self, directory: &Directory) -> Result<()> {
        if directory.path.as_os_str().is_empty() {
            return Ok(());
        }
        let finished = self.finish(directory.from.as_fd(), directory.to.as_fd());
        self.named(&directory.path, "copy the attributes", finished)
    }

    fn finish(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
        entry::copy_attributes(from, to, &Meta::of(from)?)
    }

    /// Copies one name; tells whether it is a directory, which is then empty.
    fn name(&self, directory: &Directory, name: &OsString) -> io::Result<bool> {
        let meta = Meta::at(&directory.from, name)?;
        self.entries.fetch_add(1, Ordering::Relaxed);
        match meta.kind {
            Kind::Directory => {
                fault::point("copy.mkdir")?;
                mkdirat(&directory.to, name, Mode::RWXU)?;
                return Ok(true);
            }
            Kind::File => self.file(directory, name, &meta)?,
            _ => self.special(directory, name, &meta)?,
        }
        Ok(false)
    }

    fn file(&self, directory: &Directory, name: &OsString, meta: &Meta) -> io::Result<()> {
        let make = || entry::make_file(directory.to.as_fd(), name);
        let Some(to) = self.make_or_link(directory, name, meta, make)? else { return Ok(()) };
        let from = entry::open_source(directory.from.as_fd(), name)?;
        let bytes = self.ways.copy(from.as_fd(), to.as_fd(), meta)?;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        entry::copy_attributes(from.as_fd(), to.as_fd(), meta)
    }

    fn special(&self, directory: &Directory, name: &OsString, meta: &Meta) -> io::Result<()> {
        let both = (directory.from.as_fd(), directory.to.as_fd());
        let make = || entry::make_special(both, name, meta);
        match self.make_or_link(directory, name, meta, make)? {
            Some(()) => entry::copy_special_attributes(both, name, meta),
            None => Ok(()),
        }
    }

    fn make_or_link<T>(
        &self,
        directory: &Directory,
        name: &OsString,
        meta: &Meta,
        make: impl FnOnce() -> rustix::io::Result<T>,
    ) -> io::Result<Option<T>> {
        if meta.nlink == 1 {
            return Ok(Some(make()?));
        }
        let place = (directory.to.as_fd(), directory.path.as_path());
        Ok(self.links.make_or_link(self.to, meta.id, place, name, make)?)
    }
}
