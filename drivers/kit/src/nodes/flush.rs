//! Flushing a draft, and remembering that it failed.
//!
//! What couldn't be written out is dropped from memory, and the kernel tells of
//! it once: the next flush succeeds without it. So a draft whose flush failed
//! keeps a mark, and no later commit takes it for whole.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use graphdriver_api::DraftId;
use rustix::fs;

use super::{disk, record};
use crate::fault;

const MARK: &str = "unflushed";

/// Writes out everything that the file system holds back.
pub(super) fn flush(watch: impl AsFd) -> io::Result<()> {
    fault::point("nodes.flush")?;
    Ok(fs::syncfs(watch)?)
}

/// As [`flush`], for a draft that is about to be a layer: `dir` is its
/// directory, with a layer's record in it already.
pub(super) fn flush_for_good(watch: impl AsFd, dir: BorrowedFd<'_>) -> io::Result<()> {
    let flushed = flush(watch);
    if flushed.is_err() {
        // On a medium that takes not even this, the caller has the error that
        // counts.
        drop(remember(dir));
    }
    flushed
}

/// The record goes first: what it took is enough for the mark on a full medium.
fn remember(dir: BorrowedFd<'_>) -> io::Result<()> {
    disk::remove_file(dir, record::LAYER)?;
    disk::make_mark(dir, MARK)?;
    disk::sync_dir(dir)
}

/// Whether the draft bears the mark.
pub(super) fn has_failed(drafts: BorrowedFd<'_>, id: &DraftId) -> io::Result<bool> {
    disk::is_there(drafts, &format!("{id}/{MARK}"))
}
