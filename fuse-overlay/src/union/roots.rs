//! Opening the directories that a union is made of.
//!
//! As the kernel's overlayfs does, each is taken as a copy of its mount that
//! nobody else sees: whoever unmounts what the layers lie on can do so while the
//! union is there, and mounts inside a layer aren't part of it.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::Result;
use crate::layer::{Stat, open_dir};

const TO_FIND_THINGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens a lower layer, the only time its path is used.
pub(super) fn lower(path: &Path) -> Result<Arc<OwnedFd>> {
    let plain = openat(CWD, path, TO_FIND_THINGS, Mode::empty())?;
    let root = private(path).filter(|private| is_same(private, &plain));
    Ok(Arc::new(root.unwrap_or(plain)))
}

/// Opens the upper and the work directory, on one mount, because nothing can be
/// moved between two.
pub(super) fn upper_and_work(upper: &Path, work: &Path) -> Result<(OwnedFd, OwnedFd)> {
    let plain = (
        openat(CWD, upper, TO_FIND_THINGS, Mode::empty())?,
        openat(CWD, work, TO_FIND_THINGS, Mode::empty())?,
    );
    let private = on_one_mount(upper, work);
    let same = |pair: &(OwnedFd, OwnedFd)| is_same(&pair.0, &plain.0) && is_same(&pair.1, &plain.1);
    Ok(private.filter(same).unwrap_or(plain))
}

/// A mount of its own of what is at `path`, without what is mounted in it;
/// `None` where that isn't allowed.
fn private(path: &Path) -> Option<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path, flags).ok()
}

fn on_one_mount(upper: &Path, work: &Path) -> Option<(OwnedFd, OwnedFd)> {
    let (upper, work) = (upper.canonicalize().ok()?, work.canonicalize().ok()?);
    let shared = upper.components().zip(work.components()).take_while(|(a, b)| a == b);
    let above: std::path::PathBuf = shared.map(|(component, _)| component).collect();
    let mount = private(&above)?;
    let down = |path: &Path| {
        let names = path.strip_prefix(&above).ok()?.components();
        // The path has no links and no `..` any more: each component is a name.
        let names = names.filter_map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        });
        go_down(&mount, names)
    };
    Some((down(&upper)?, down(&work)?))
}

fn go_down<'a>(from: &OwnedFd, names: impl Iterator<Item = &'a OsStr>) -> Option<OwnedFd> {
    let mut at = open_dir(from, OsStr::new(".")).ok()?;
    for name in names {
        at = open_dir(&at, name).ok()?;
    }
    Some(at)
}

/// Whether both are the same directory: a mount on the way would hide it.
fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    let identity = |fd| Stat::of(fd).ok().map(|stat| (stat.dev(), stat.x.stx_ino));
    identity(one).is_some() && identity(one) == identity(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_and_work_are_the_directories_they_are_called() {
        let dir = tempfile::tempdir().unwrap();
        let (upper, work) = (dir.path().join("a/upper"), dir.path().join("b/work"));
        std::fs::create_dir_all(&upper).unwrap();
        std::fs::create_dir_all(&work).unwrap();
        let (one, other) = upper_and_work(&upper, &work).unwrap();
        let plain = |path: &Path| openat(CWD, path, TO_FIND_THINGS, Mode::empty()).unwrap();
        assert!(is_same(&one, &plain(&upper)) && is_same(&other, &plain(&work)));
        assert!(!is_same(&one, &other));
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        assert!(lower(Path::new("/no/such/directory")).is_err());
        assert!(upper_and_work(Path::new("/"), Path::new("/no/such")).is_err());
    }
}
