//! Whether somebody still writes to a draft.
//!
//! A mount that was unmounted here can live on: in a mount namespace that was
//! copied from this one, or in a descriptor that was passed on. Whoever has it
//! can write, and what is written to an upper directory after it was committed
//! changes a layer. The kernel knows which directories are uppers of a living
//! overlay, and refuses them to another one if that has `index=on`. So we ask it:
//! by a mount that has the directory for a *lower* layer, and an upper of its
//! own on a tmpfs, in a mount namespace of its own. It leaves no trace.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use sapwood_kit::mount::{Overlay, Upper, Way, in_private_namespace};

/// The directory beneath the root on which the tmpfs is mounted.
pub(crate) const PLACE: &str = "trial";

/// Whether `upper`, a directory beneath the root, is the upper or work
/// directory of an overlay anywhere on this host.
///
/// Cost: a thread and two mounts, some 0.3 ms.
///
/// # Errors
/// `Unsupported` if the kernel doesn't keep such directories apart, which
/// probing finds out; else as mount(2).
pub(crate) fn is_in_use(root: &Path, way: Way, upper: &Path) -> io::Result<bool> {
    in_private_namespace(|| {
        mount("tmpfs", root.join(PLACE), "tmpfs", MountFlags::empty(), c"size=1m,nr_inodes=64")?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(CWD, root, flags, Mode::empty())?;
        ask(root, opened.as_fd(), way, upper)
    })
}

fn ask(path: &Path, root: BorrowedFd<'_>, way: Way, upper: &Path) -> io::Result<bool> {
    let place = Path::new(PLACE);
    let (dir, work) = (place.join("upper"), place.join("work"));
    mkdirat(root, &dir, Mode::RWXU)?;
    mkdirat(root, &work, Mode::RWXU)?;
    let trial = Overlay {
        path,
        root,
        lowers: &[upper],
        upper: Some(Upper { dir: &dir, work: &work }),
        options: &[("index", Some("on"))],
        ids: None,
        detached_layers: true,
    };
    match trial.mount(way) {
        Err(e) if e.errno() == Errno::BUSY => Ok(true),
        Err(e) => Err(e.into()),
        Ok(_) => has_looked(root, &work).map(|()| false),
    }
}

/// Where it can't have an index the kernel goes on without one, and without
/// looking whether a directory is in use.
fn has_looked(root: BorrowedFd<'_>, work: &Path) -> io::Result<()> {
    match statat(root, work.join("index"), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(()),
        Err(Errno::NOENT) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the kernel doesn't tell whether a directory is in use by an overlay",
        )),
        Err(e) => Err(e.into()),
    }
}
