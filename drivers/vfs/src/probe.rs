//! What the kernel and the file system under the root can do, found out by
//! doing it.

use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use graphdriver_api::{IdMap, IdRange, Op};
use rustix::fs::ioctl_ficlone;
use rustix::io::Errno;
use sapwood_kit::at::xattr::{self, Target};
use sapwood_kit::at::{self, Device, Kind};
use sapwood_kit::idmap::IdMaps;
use sapwood_kit::mount::{Detached, MountError};
use sapwood_kit::nodes::Ground;
use sapwood_sys::mount_attr::MountAttr;

/// Whether something works, and how that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) works: bool,
    pub(crate) reason: String,
}

impl Finding {
    fn yes() -> Self {
        Self { works: true, reason: "it was tried".to_owned() }
    }

    fn no(reason: impl Into<String>) -> Self {
        Self { works: false, reason: reason.into() }
    }
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    /// Ownership can be shown differently from what is on disk.
    pub(crate) id_maps: Finding,
    /// Copies share their blocks with what they are copies of.
    pub(crate) shared_blocks: Finding,
}

impl Probe {
    /// Where nothing can be tried.
    fn nothing() -> Self {
        let unknown = || Finding::no("the medium is read-only, and nothing can be tried");
        Self { id_maps: unknown(), shared_blocks: unknown() }
    }
}

/// Why vfs can't be used at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) reason: String,
    pub(crate) remedy: Option<&'static str>,
}

const BE_ROOT: &str = "run it as root";

impl Misfit {
    fn new(reason: impl Into<String>, remedy: &'static str) -> Self {
        Self { reason: reason.into(), remedy: Some(remedy) }
    }
}

impl From<io::Error> for Misfit {
    fn from(error: io::Error) -> Self {
        Self { reason: format!("probing failed: {error}"), remedy: None }
    }
}

/// Probes where `root` is or would be, and leaves nothing behind unless it is
/// killed. Cost: a millisecond.
pub(crate) fn run(root: &Path) -> Result<Probe, Misfit> {
    let ground = match Ground::near(root) {
        // What is there can be looked at.
        Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem => return Ok(Probe::nothing()),
        ground => ground.map_err(|e| Misfit {
            reason: e.to_string(),
            remedy: Some("name another directory for the store, or make this one writable"),
        })?,
    };
    let probed = examine(ground.dir());
    ground.clear()?;
    probed
}

fn examine(ground: BorrowedFd<'_>) -> Result<Probe, Misfit> {
    attributes(ground)?;
    devices(ground)?;
    mounts(ground)?;
    Ok(Probe { id_maps: id_maps(ground), shared_blocks: shared_blocks(ground)? })
}

fn attributes(ground: BorrowedFd<'_>) -> Result<(), Misfit> {
    let tried = xattr::set(Target::Open(ground), OsStr::new("trusted.sapwood-probe"), b"");
    tried.map_err(|e| match e {
        Errno::PERM => Misfit::new("keeping attributes of layers needs CAP_SYS_ADMIN", BE_ROOT),
        Errno::NOTSUP => Misfit::new(
            "the file system there has no extended attributes",
            "name a directory on another for the store",
        ),
        e => io::Error::from(e).into(),
    })
}

fn devices(ground: BorrowedFd<'_>) -> Result<(), Misfit> {
    let tried = at::mknod(ground, OsStr::new("device"), Kind::CharDevice, 0, Device::ZERO);
    tried.map_err(|e| match e {
        Errno::PERM => Misfit::new("making the device nodes of layers needs CAP_MKNOD", BE_ROOT),
        e => io::Error::from(e).into(),
    })
}

fn mounts(ground: BorrowedFd<'_>) -> Result<(), Misfit> {
    let tried = Detached::copy_of(ground)
        .and_then(|copy| copy.set(&MountAttr::new().read_only()))
        .map_err(|e: MountError| (e.errno(), e.to_string()));
    tried.map_err(|(errno, words)| match errno {
        Errno::PERM => Misfit::new("mounting needs CAP_SYS_ADMIN", BE_ROOT),
        Errno::NOSYS | Errno::OPNOTSUPP => Misfit::new(
            "the kernel can't mount by descriptor (open_tree, mount_setattr)",
            "use Linux 5.12 or newer",
        ),
        _ => Misfit { reason: format!("a bind mount failed: {words}"), remedy: None },
    })
}

fn id_maps(ground: BorrowedFd<'_>) -> Finding {
    let shifted = vec![IdRange { on_disk: 0, shown: 100_000, count: 65_536 }];
    let map = IdMap { uids: shifted.clone(), gids: shifted };
    let tried = IdMaps::default().get(Op::Probe, &map).map_err(|e| e.report()).and_then(|ids| {
        let copy = Detached::copy_of(ground).map_err(|e| e.to_string())?;
        copy.set(&MountAttr::new().id_map(ids.namespace())).map_err(|e| e.reason())
    });
    tried.map_or_else(Finding::no, |()| Finding::yes())
}

fn shared_blocks(ground: BorrowedFd<'_>) -> Result<Finding, Misfit> {
    let make = |name: &str| at::create_file(ground, OsStr::new(name), 0o600);
    let filled = || -> Result<_, Errno> {
        let from = make("from")?;
        rustix::io::write(&from, b"shared")?;
        let (readable, _) = at::open_file(ground, OsStr::new("from"))?;
        Ok((readable, make("to")?))
    };
    let (from, to) = filled().map_err(io::Error::from)?;
    match ioctl_ficlone(to, from) {
        Ok(()) => Ok(Finding::yes()),
        Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS | Errno::INVAL) => {
            Ok(Finding::no("the file system there can't (xfs with reflink=1 and btrfs can)"))
        }
        Err(e) => Err(io::Error::from(e).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probing_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("not/there");
        let probe = run(&root).unwrap();
        assert!(probe.id_maps.works, "{probe:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_missing_is_named() {
        let misfit = run(Path::new("/proc/self")).unwrap_err();
        assert!(misfit.reason.contains("/proc/self"), "{misfit:?}");
    }
}
