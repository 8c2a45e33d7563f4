//! A directory to try things in.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use sapwood_kit::idmap::Mapped;
use sapwood_kit::mount::{Detached, MountError, Overlay, Upper, Way};

use super::Misfit;

/// Options of an overlay.
pub(super) type MountOptions<'a> = &'a [(&'static str, Option<&'static str>)];

/// A new directory beneath another, on the same file system.
pub(super) struct Ground(sapwood_kit::nodes::Ground);

impl Ground {
    pub(super) fn new(base: &Path) -> Result<Self, Misfit> {
        let made = sapwood_kit::nodes::Ground::near(base);
        made.map(Self).map_err(|e| {
            Misfit::new(
                e.to_string(),
                "name another directory for the store, or make this one writable",
            )
        })
    }

    /// The same directory, opened in the calling thread's mount namespace.
    pub(super) fn enter(&self) -> io::Result<Here<'_>> {
        Ok(Here { path: self.0.path(), root: open(self.0.path())?, stages: Cell::new(0) })
    }

    pub(super) fn clear(self) -> io::Result<()> {
        self.0.clear()
    }
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}

/// The directory, from inside a mount namespace.
pub(super) struct Here<'g> {
    pub(super) path: &'g Path,
    pub(super) root: OwnedFd,
    stages: Cell<u32>,
}

impl Here<'_> {
    /// New directories for an overlay; in its lower one there are a file `file`
    /// and a directory `dir`.
    pub(super) fn stage(&self) -> io::Result<Stage<'_>> {
        let number = self.stages.get();
        self.stages.set(number + 1);
        let dir = PathBuf::from(number.to_string());
        mkdirat(&self.root, &dir, Mode::RWXU)?;
        for name in ["lower", "upper", "work", "lower/dir"] {
            mkdirat(&self.root, dir.join(name), Mode::RWXU)?;
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&self.root, dir.join("lower/file"), flags, Mode::RUSR)?;
        rustix::io::write(file, b"below")?;
        Ok(Stage { here: self, dir })
    }
}

/// Directories for one overlay.
pub(super) struct Stage<'h> {
    here: &'h Here<'h>,
    dir: PathBuf,
}

impl Stage<'_> {
    pub(super) fn mount(
        &self,
        way: Way,
        options: MountOptions<'_>,
    ) -> Result<Detached, MountError> {
        self.mount_mapped(way, options, None, true)
    }

    pub(super) fn mount_mapped(
        &self,
        way: Way,
        options: MountOptions<'_>,
        ids: Option<&Mapped>,
        detached_layers: bool,
    ) -> Result<Detached, MountError> {
        let (lower, upper, work) = (self.path("lower"), self.path("upper"), self.path("work"));
        let overlay = Overlay {
            path: self.here.path,
            root: self.root(),
            lenders: &[],
            lowers: &[lower.as_path().into()],
            upper: Some(Upper { root: None, dir: &upper, work: &work }),
            options,
            ids,
            detached_layers,
        };
        overlay.mount(way)
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.here.root.as_fd()
    }

    /// The path of something in this stage, relative to the ground.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}
