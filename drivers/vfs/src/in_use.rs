//! Mounts of a draft that outlived the one we know of.
//!
//! Who enters a mount namespace of its own takes copies of all mounts along.
//! Ours is unmounted, and such a copy still shows the draft's tree, to be
//! written to; if the draft became a layer now, that layer would change. So the
//! mounts of every namespace that somebody lives in are looked through, if the
//! draft was ever mounted. What isn't found: a mount that is in no
//! namespace, but only open in some process (open_tree(2)).

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use graphdriver_api::{Error, ErrorKind, NodeRef, Op, Result};
use rustix::fs::{AtFlags, StatxFlags, statx};
use rustix::io::Errno;
use sapwood_kit::nodes::{Node, NodeStore};

use crate::driver::named;
use crate::tree::TREE;

/// Refuses a draft, whose lease the caller has, if its tree is still mounted
/// anywhere.
///
/// Cost: a system call for a draft that was never mounted; else
/// one a thread of the host, and reading the mounts of each namespace.
pub(crate) fn refuse(op: Op, store: &NodeStore, node: &Node) -> Result<()> {
    let NodeRef::Draft(id) = node.id() else { return Ok(()) };
    if !store.was_mounted(op, id)? {
        return Ok(());
    }
    let failed = |e| named(node.id())(Error::io(op, "look for other mounts of it", e));
    match look(store, node).map_err(failed)? {
        false => Ok(()),
        true => Err(named(node.id())(Error::new(
            ErrorKind::Busy,
            op,
            "a mount of it lives on in another mount namespace: end the processes that have it",
        ))),
    }
}

fn look(store: &NodeStore, node: &Node) -> io::Result<bool> {
    let source = Source::of(store, &store.path_of(node.id()).join(TREE))?;
    let mut seen = HashSet::new();
    for process in entries(Path::new("/proc"))? {
        if !process.file_name().is_some_and(|name| name.as_bytes().iter().all(u8::is_ascii_digit)) {
            continue;
        }
        for thread in entries(&process.join("task"))? {
            // Where the namespace isn't told, its mounts are looked at again.
            let namespace = unless_gone(fs::metadata(thread.join("ns/mnt")))?;
            if namespace.is_some_and(|namespace| !seen.insert(namespace.ino())) {
                continue;
            }
            let mounts = unless_gone(fs::read(thread.join("mountinfo")))?.unwrap_or_default();
            if source.is_in(&mounts) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(entries) = unless_gone(fs::read_dir(dir))? else { return Ok(Vec::new()) };
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// Threads end while we look, and some hide from us.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) => match Errno::from_io_error(&e) {
            Some(Errno::NOENT | Errno::SRCH | Errno::INVAL | Errno::ACCESS | Errno::PERM) => {
                Ok(None)
            }
            _ => Err(e),
        },
    }
}

/// What a mount's line in mountinfo (proc(5)) says of the directory that it
/// shows: the file system's number, and the path within that file system.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    device: Vec<u8>,
    path: Vec<u8>,
}

impl Source {
    /// Of the directory `path`, which is on the mount that the store's root is
    /// on.
    fn of(store: &NodeStore, path: &Path) -> io::Result<Self> {
        let root = store.root_here(Op::Mount).map_err(io::Error::other)?;
        let id = statx(root.as_fd(), "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id;
        let mounts = fs::read("/proc/thread-self/mountinfo")?;
        Self::beneath(&mounts, id, path).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "the mount that the root is on isn't listed")
        })
    }

    fn beneath(mounts: &[u8], id: u64, path: &Path) -> Option<Self> {
        let id = id.to_string();
        let mut lines = lines(mounts).filter(|fields| fields.first() == Some(&id.as_bytes()));
        let fields = lines.next()?;
        let (device, root, point) = (fields.get(2)?, fields.get(3)?, fields.get(4)?);
        let path = escaped(path);
        // The mount point and the root are "/" or don't end in one.
        let rest = path.strip_prefix(without_slash(point))?;
        Some(Self { device: device.to_vec(), path: [without_slash(root), rest].concat() })
    }

    fn is_in(&self, mounts: &[u8]) -> bool {
        lines(mounts).any(|fields| {
            fields.get(2) == Some(&&*self.device) && fields.get(3) == Some(&&*self.path)
        })
    }
}

fn lines(mounts: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    mounts.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b' ').collect())
}

fn without_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

/// A path as mountinfo spells it.
fn escaped(path: &Path) -> Vec<u8> {
    let mut spelled = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => spelled.extend(format!("\\{byte:03o}").bytes()),
            byte => spelled.push(*byte),
        }
    }
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_found_on_its_file_system() {
        let mounts = b"20 1 8:1 / / rw - ext4 x rw\n\
            21 20 8:2 /sub\\040vol /srv/a\\040b rw - btrfs x rw\n\
            22 20 8:2 /sub\\040vol/r/drafts/d/tree /mnt rw - btrfs x rw\n";
        let path = Path::new("/srv/a b/r/drafts/d/tree");
        let on_sub = Source::beneath(mounts, 21, path).unwrap();
        assert_eq!(on_sub.path, b"/sub\\040vol/r/drafts/d/tree");
        assert!(on_sub.is_in(mounts));
        let on_root = Source::beneath(mounts, 20, path).unwrap();
        assert_eq!(on_root.path, b"/srv/a\\040b/r/drafts/d/tree");
        assert!(!on_root.is_in(mounts));
        assert_eq!(Source::beneath(mounts, 23, path), None);
        assert_eq!(Source::beneath(mounts, 21, Path::new("/elsewhere")), None);
    }
}
