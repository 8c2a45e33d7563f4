//! Whether somebody still writes to a draft.
//!
//! A mount that was unmounted here can live on: in a mount namespace that was
//! copied from this one, or in a descriptor that was passed on. Whoever has it
//! can write, and what is written to an upper directory after it was committed
//! changes a layer. The kernel knows which directories are uppers of a living
//! overlay, and refuses them to another one if that has `index=on`. So we ask it:
//! by a mount that has the directory for a *lower* layer, and an upper of its
//! own on a tmpfs, where nobody sees either. It leaves no trace.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::event::{Timespec, poll};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use sapwood_kit::mount::{Detached, Overlay, Upper, Way, in_private_namespace};

use crate::namespaces;

/// The directory beneath the root on which the tmpfs is mounted, where it has to
/// be mounted somewhere.
pub(crate) const PLACE: &str = "trial";

/// Between one question and the next: 63 ms in all, several times what a
/// runtime takes from its namespace to its new root.
const PAUSES: [Timespec; 6] = [ms(1), ms(2), ms(4), ms(8), ms(16), ms(32)];

const fn ms(count: i64) -> Timespec {
    Timespec { tv_sec: 0, tv_nsec: count * 1_000_000 }
}

/// Room for some directories.
const BYTES: u64 = 1 << 20;

/// How to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trial<'a> {
    /// The root, absolute.
    pub(crate) path: &'a Path,
    /// The same, opened in this mount namespace.
    pub(crate) root: BorrowedFd<'a>,
    /// The best way of mounting.
    pub(crate) way: Way,
    /// As [`Overlay::detached_layers`].
    pub(crate) detached_layers: bool,
}

impl Trial<'_> {
    /// Whether asking takes a private mount namespace.
    pub(crate) fn needs_namespace(&self) -> bool {
        !self.detached_layers || self.way == Way::Page
    }

    /// Whether `upper`, a directory beneath the root, is the upper or work
    /// directory of an overlay anywhere on this host.
    ///
    /// Cost: two mounts, some 0.2 ms; twice that in a namespace.
    ///
    /// # Errors
    /// `Unsupported` if the kernel doesn't keep such directories apart, which
    /// probing finds out; else as mount(2).
    pub(crate) fn is_in_use(&self, upper: &Path) -> io::Result<bool> {
        match self.needs_namespace() {
            true => in_private_namespace(|| self.in_namespace(upper)),
            false => {
                let tmpfs = Detached::tmpfs(BYTES)?;
                self.ask(self.root, upper, (tmpfs.as_fd(), Path::new("")), Some(tmpfs.as_fd()))
            }
        }
    }

    /// As [`is_in_use`](Self::is_in_use), and if so asks again for as long as it
    /// may be for a moment only: any program that starts a container begins with
    /// a copy of all mounts of the host. `host` is the directory of that name.
    pub(crate) fn is_still_in_use(&self, upper: &Path, host: BorrowedFd<'_>) -> io::Result<bool> {
        let ask = || -> io::Result<bool> {
            let _shared = self.needs_namespace().then(|| namespaces::shared(host)).transpose()?;
            self.is_in_use(upper)
        };
        if !ask()? {
            return Ok(false);
        }
        // Ours are waited for by their lock.
        drop(namespaces::none(host)?);
        for pause in PAUSES {
            if !ask()? {
                return Ok(false);
            }
            // The kernel tells nobody when an overlay ends, and each question is
            // a line in its log.
            poll(&mut [], Some(&pause))?;
        }
        ask()
    }

    fn in_namespace(&self, upper: &Path) -> io::Result<bool> {
        mount("tmpfs", self.path.join(PLACE), "tmpfs", MountFlags::empty(), c"size=1m")?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, self.path, flags, Mode::empty())?;
        self.ask(root.as_fd(), upper, (root.as_fd(), Path::new(PLACE)), None)
    }

    /// With an upper and a work directory that are made in `place`.
    fn ask(
        &self,
        root: BorrowedFd<'_>,
        lower: &Path,
        (at, place): (BorrowedFd<'_>, &Path),
        elsewhere: Option<BorrowedFd<'_>>,
    ) -> io::Result<bool> {
        let (dir, work) = (place.join("upper"), place.join("work"));
        mkdirat(at, &dir, Mode::RWXU)?;
        mkdirat(at, &work, Mode::RWXU)?;
        let trial = Overlay {
            path: self.path,
            root,
            lenders: &[],
            lowers: &[lower.into()],
            upper: Some(Upper { root: elsewhere, dir: &dir, work: &work }),
            options: &[("index", Some("on"))],
            ids: None,
            detached_layers: self.detached_layers,
        };
        match trial.mount(self.way) {
            Err(e) if e.errno() == Errno::BUSY => Ok(true),
            Err(e) => Err(e.into()),
            Ok(_) => has_looked(at, &work).map(|()| false),
        }
    }
}

/// Where it can't have an index the kernel goes on without one, and without
/// looking whether a directory is in use.
fn has_looked(at: BorrowedFd<'_>, work: &Path) -> io::Result<()> {
    match statat(at, work.join("index"), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(()),
        Err(Errno::NOENT) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the kernel doesn't tell whether a directory is in use by an overlay",
        )),
        Err(e) => Err(e.into()),
    }
}
