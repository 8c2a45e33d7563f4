//! Directories at the end of paths of any length.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::{Errno, Result};

use crate::at;

/// What a piece of a path may be long, with room to `PATH_MAX` (4,096).
const PIECE: usize = 3800;

/// Opens a directory beneath `root` for reading, by a path none of whose
/// components may be a symbolic link. The empty path is the root itself.
/// Reading it leaves no trace in its access time, where we may (its owner and
/// CAP_FOWNER may).
///
/// A path longer than `PATH_MAX` is walked in pieces, so trees as deep as a
/// container can make them are reached with two descriptors.
///
/// # Errors
/// As [`at::open_beneath`].
pub(crate) fn open_dir(root: impl AsFd, path: &Path) -> Result<OwnedFd> {
    let mut above = None;
    let mut piece = PathBuf::new();
    for component in path.components() {
        if piece.as_os_str().len() + component.as_os_str().len() > PIECE {
            above = Some(open_piece(above.as_ref().map_or(root.as_fd(), AsFd::as_fd), &piece)?);
            piece.clear();
        }
        piece.push(component);
    }
    if piece.as_os_str().is_empty() {
        piece.push(".");
    }
    open_piece(above.as_ref().map_or(root.as_fd(), AsFd::as_fd), &piece)
}

fn open_piece(dir: impl AsFd, piece: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    match at::open_beneath(&dir, piece, flags | OFlags::NOATIME) {
        Err(Errno::PERM) => at::open_beneath(&dir, piece, flags),
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use rustix::fs::{Mode, mkdirat};

    use super::*;

    #[test]
    fn a_path_longer_than_any_call_takes_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::File::open(dir.path()).unwrap();
        let name = "d".repeat(255);
        let mut path = PathBuf::new();
        let mut current = open_dir(&root, &path).unwrap();
        for _ in 0..100 {
            mkdirat(&current, &name, Mode::RWXU).unwrap();
            current = at::open_dir(&current, OsStr::new(&name)).unwrap();
            path.push(&name);
        }
        let found = at::Meta::of(open_dir(&root, &path).unwrap()).unwrap();
        assert_eq!(found.id, at::Meta::of(current).unwrap().id);
        assert!(open_dir(&root, &path.join("none")).is_err());
        at::remove_contents(&root).unwrap();
    }
}
