//! The trash: where removed nodes wait, and how they are deleted.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use graphdriver_api::{Op, Reclaimed, Result};
use rustix::fs::{self, AtFlags};

use super::{NodeStore, disk, ground, lock, usage_of};
use crate::{at, fault};

/// Moves a directory into the trash, and tells its name there.
///
/// The random part keeps apart the removed nodes of one name; `MAX_ID_LEN` and
/// it fit a file name.
pub(super) fn set_aside(
    store: &NodeStore,
    shelf: BorrowedFd<'_>,
    name: &str,
) -> io::Result<String> {
    fault::point("nodes.trash.rename")?;
    let mut random = [0u8; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let unique = format!("{name}.{:016x}", u64::from_ne_bytes(random));
    fs::renameat(shelf, name, &store.trash, &unique)?;
    Ok(unique)
}

impl NodeStore {
    /// Deletes what lies in the trash, as
    /// [`GraphDriver::reclaim`](graphdriver_api::GraphDriver::reclaim). What
    /// another caller is deleting is left to it. What killed probes left in the
    /// root goes too: a probe that is never made again takes nothing away.
    ///
    /// # Errors
    /// The first thing that couldn't be deleted; everything else was.
    pub fn reclaim(&self) -> Result<Reclaimed> {
        let call = self.bare_call(Op::Reclaim);
        let names = disk::names(&self.trash).map_err(call.io("read the trash"))?;
        let mut sum = Reclaimed::default();
        let mut first_error = None;
        for name in names {
            match delete(self.trash.as_fd(), &name) {
                Ok(Some(bytes)) => {
                    sum.nodes += 1;
                    sum.bytes += bytes;
                }
                Ok(None) => {}
                Err(e) => {
                    let error = || call.io("delete a removed node")(e).with_path(&name);
                    first_error.get_or_insert_with(error);
                }
            }
        }
        let swept = self.sweep_grounds().map_err(call.io("remove what a probe left"));
        first_error.map_or(swept, Err).map(|()| sum)
    }

    fn sweep_grounds(&self) -> io::Result<()> {
        ground::sweep(self.root.as_fd())?;
        for own in self.layout.own {
            if let Some(dir) = disk::find_dir(&self.root, own)? {
                ground::sweep(dir.as_fd())?;
            }
        }
        Ok(())
    }
}

/// Whether it wasn't deleted, or moved back because its removal has failed,
/// between our finding and locking it.
fn is_still(trash: BorrowedFd<'_>, name: &OsStr, root: &OwnedFd) -> io::Result<bool> {
    match disk::absent_is_none(at::open_dir(trash, name).map_err(Into::into))? {
        Some(now) => disk::same_file(now, root),
        None => Ok(false),
    }
}

/// Deletes one tree and tells the bytes given back; `None` if another caller
/// is at it, or was.
fn delete(trash: BorrowedFd<'_>, name: &OsStr) -> io::Result<Option<u64>> {
    let opened = disk::absent_is_none(at::open_dir(trash, name).map_err(Into::into));
    let Some(root) = opened? else { return Ok(None) };
    if !lock::try_dir(&root)? || !is_still(trash, name, &root)? {
        return Ok(None);
    }
    let bytes = usage_of(root.as_fd())?.bytes;
    fault::point("nodes.reclaim.delete")?;
    at::remove_contents(&root)?;
    fault::point("nodes.reclaim.rmdir")?;
    fs::unlinkat(trash, name, AtFlags::REMOVEDIR)?;
    Ok(Some(bytes))
}
