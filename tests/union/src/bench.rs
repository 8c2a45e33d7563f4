//! The layers of one union, and what must hold of them at the end.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{UnmountFlags, unmount};
use sapwood_kit::mount::Detached;
use tempfile::TempDir;

use crate::failure::{Failure, Outcome};
use crate::snapshot::Snapshot;
use crate::subject::{Layers, Mounted, Subject};
use crate::tree::Tree;

/// Mount options to add for subjects that aren't the kernel: `a=b,c`.
pub const OPTIONS_ENV: &str = "SAPWOOD_UNION_OPTIONS";
/// A folder for layers on a file system that lasts; without it they lie in memory.
const BACKING_ENV: &str = "SAPWOOD_TEST_BACKING";
/// What a medium in memory holds.
const ROOM: u64 = 2 << 30;

/// A union's directories in a folder of their own: make layers, then
/// [`mount`](Self::mount), and [`finish`](Self::finish).
#[derive(Debug)]
pub struct Bench {
    subject: Subject,
    mounted: Option<Mounted>,
    /// What the lowers were before the first mount.
    before: Vec<Snapshot>,
    lowers: usize,
    // Dropped in this order: the union, the medium, the folder.
    _medium: Medium,
    dir: TempDir,
}

impl Bench {
    /// Empty layers: one lower, an upper, a work directory.
    ///
    /// Call it in a private mount namespace.
    ///
    /// # Errors
    /// There is no room for them.
    pub fn new(subject: &Subject) -> Outcome<Self> {
        let backing = env::var_os(BACKING_ENV).map(PathBuf::from);
        let folder = backing.clone().unwrap_or_else(env::temp_dir);
        let dir = tempfile::Builder::new().prefix("sapwood-union-").tempdir_in(folder)?;
        let medium = match backing {
            Some(_) => Medium(None),
            None => Medium::memory(dir.path())?,
        };
        for name in ["lower0", "upper", "work", "mnt"] {
            fs::create_dir(dir.path().join(name))?;
        }
        // Others act in it, too.
        Tree::at(dir.path()).chmod("", 0o755)?;
        Ok(Self {
            subject: subject.clone(),
            mounted: None,
            before: Vec::new(),
            lowers: 1,
            _medium: medium,
            dir,
        })
    }

    /// Who mounts.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// A lower layer by its number, 0 the uppermost. It is made if need be, and
    /// all above it.
    ///
    /// # Errors
    /// It can't be made; or the union is mounted already.
    pub fn lower(&mut self, index: usize) -> Outcome<Tree> {
        if !self.before.is_empty() {
            return Err(Failure::new("a lower layer changes under a mount"));
        }
        while self.lowers <= index {
            fs::create_dir(self.path(&format!("lower{}", self.lowers)))?;
            self.lowers += 1;
        }
        Ok(Tree::at(&self.path(&format!("lower{index}"))))
    }

    /// The upper directory as it is on disk.
    #[must_use]
    pub fn upper(&self) -> Tree {
        Tree::at(&self.path("upper"))
    }

    /// The union.
    #[must_use]
    pub fn tree(&self) -> Tree {
        Tree::at(&self.path("mnt"))
    }

    /// The directories, to mount them otherwise.
    #[must_use]
    pub fn layers(&self) -> Layers {
        let lowers = (0..self.lowers).map(|i| self.path(&format!("lower{i}"))).collect();
        Layers { lowers, upper: self.path("upper"), work: self.path("work") }
    }

    /// Mounts the union. The first time, notes what the lowers are.
    ///
    /// # Errors
    /// Those of [`Subject::mount`].
    pub fn mount(&mut self) -> Outcome<Tree> {
        let subject = self.subject.clone();
        self.mount_with(&subject, &env::var(OPTIONS_ENV).unwrap_or_default())
    }

    /// Mounts the same layers through this subject with options. Those are
    /// dropped for the kernel, whose options are fixed.
    ///
    /// # Errors
    /// Those of [`Subject::mount`].
    pub fn mount_with(&mut self, subject: &Subject, options: &str) -> Outcome<Tree> {
        let layers = self.layers();
        if self.before.is_empty() {
            self.before = snapshots(&layers)?;
        }
        let options = if subject.kind() == crate::Kind::Kernel { "" } else { options };
        self.mounted = Some(subject.mount(&layers, &self.path("mnt"), options)?);
        Ok(self.tree())
    }

    /// Unmounts and waits for the daemon.
    ///
    /// # Errors
    /// Those of [`Mounted::unmount`]; or it isn't mounted.
    pub fn unmount(&mut self) -> Outcome {
        self.mounted.take().ok_or_else(|| Failure::new("not mounted"))?.unmount()
    }

    /// Unmounts and mounts again.
    ///
    /// # Errors
    /// Those of both.
    pub fn remount(&mut self) -> Outcome<Tree> {
        self.unmount()?;
        self.mount()
    }

    /// Unmounts, and compares the lowers with what they were.
    ///
    /// # Errors
    /// The first difference of a lower layer; those of [`Mounted::unmount`].
    pub fn finish(mut self) -> Outcome {
        if self.mounted.is_some() {
            self.unmount()?;
        }
        self.lowers_are_untouched()
    }

    /// Compares the lowers with what they were before the first mount.
    ///
    /// # Errors
    /// The first difference.
    pub fn lowers_are_untouched(&self) -> Outcome {
        if self.before.is_empty() {
            return Ok(());
        }
        let now = snapshots(&self.layers())?;
        for (index, (before, now)) in self.before.iter().zip(&now).enumerate() {
            if let Some(difference) = before.difference(now) {
                return Err(Failure::new(format!("lower layer {index} was written: {difference}")));
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        let dir: &Path = self.dir.path();
        dir.join(name)
    }
}

/// What the layers lie on, if it was made for them.
#[derive(Debug)]
struct Medium(Option<PathBuf>);

impl Medium {
    fn memory(at: &Path) -> Outcome<Self> {
        Detached::tmpfs(ROOM)?.attach(CWD, at)?;
        Ok(Self(Some(at.to_owned())))
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        if let Some(at) = &self.0
            && let Err(e) = unmount(at, UnmountFlags::DETACH)
        {
            // It goes with the mount namespace; the empty folder stays.
            debug_assert_eq!(e, rustix::io::Errno::INVAL);
        }
    }
}

fn snapshots(layers: &Layers) -> Outcome<Vec<Snapshot>> {
    layers.lowers.iter().map(|lower| Snapshot::of(lower)).collect()
}
