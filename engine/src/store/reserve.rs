//! Room for the database on a full medium.
//!
//! Before anything is deleted, a transaction says so, and that takes some pages
//! of its journal. On a medium that is full to the last byte nothing could be
//! removed, then. So some room is kept in a file, which only those who remove
//! things give up, and which is taken again when there is enough.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::fault;

/// The file's name in the store's folder.
const NAME: &str = "reserve";

/// Some hundred pages; removing an image writes some ten.
const SIZE: u64 = 512 << 10;

/// Keeps room, unless it is kept already, or would be missed. Where a file
/// system can't keep any, there is none: it is no condition for anything.
pub(super) fn keep(dir: &Path) {
    let path = dir.join(NAME);
    let kept = || -> io::Result<()> {
        if path.try_exists()? || free(dir)? < 8 * SIZE {
            return Ok(());
        }
        fault::point("store.reserve.create")?;
        let file = File::create(&path)?;
        let kept = fault::point("store.reserve.allocate")
            .and_then(|()| Ok(fallocate(&file, FallocateFlags::empty(), 0, SIZE)?));
        if kept.is_err() {
            fs::remove_file(&path)?;
        }
        kept
    };
    if let Err(e) = kept() {
        tracing::debug!("no room is kept for a full medium: {e}");
    }
}

/// Whether room is kept.
pub(super) fn is_kept(dir: &Path) -> Result<bool> {
    let path = dir.join(NAME);
    path.try_exists().map_err(|e| Error::io("look at", path, e))
}

/// Gives up what is kept if there is little else.
///
/// # Errors
/// Of the file system.
pub(super) fn give_up_if_full(dir: &Path) -> io::Result<()> {
    if free(dir)? >= SIZE {
        return Ok(());
    }
    fault::point("store.reserve.remove")?;
    match fs::remove_file(dir.join(NAME)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn free(dir: &Path) -> io::Result<u64> {
    let found = statvfs(dir)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_kept_once_and_not_given_up_without_need() {
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path());
        keep(dir.path());
        assert_eq!(fs::metadata(dir.path().join(NAME)).unwrap().len(), SIZE);
        give_up_if_full(dir.path()).unwrap();
        assert!(dir.path().join(NAME).try_exists().unwrap());
    }
}
