//! Drafts and views for one boot: made and removed without flushing, because
//! nobody misses them after a power cut.
//!
//! Such a node has a mark that names the boot. The mark is a symbolic link, all
//! of it metadata, which file systems bring to the medium in the order in which
//! it changed: the node is never there without its mark, even where its record's
//! bytes were lost. The root has a mark of the same kind, of the boot in which
//! it was swept last; so only the first `open` of a boot looks at every draft.
//!
//! What somebody has is never set aside, whatever its mark says: a container that
//! shows another boot to what runs in it (systemd-nspawn does) is still on this
//! kernel, and sees its locks.
//!
//! A medium can be taken away and come back in one boot. Then a record may be
//! without its bytes, and the draft is *lost*: as good as gone, and set aside by
//! who next lists the nodes.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;

use graphdriver_api::{DraftId, NodeRef};
use rustix::fs::{self, AtFlags};
use rustix::io::Errno;

use super::record::{self, Record};
use super::{NodeStore, disk, lock, reclaim};
use crate::{at, fault};

/// The name of a node's mark, and of the root's.
pub(super) const MARK: &str = "boot";

/// How long a node is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    /// Until it is removed.
    Always,
    /// As long as the host runs.
    ThisBoot,
    /// It was for an earlier boot: files in it may be empty.
    NoMore,
}

/// Marks a directory as one for this boot.
pub(super) fn mark(dir: impl AsFd) -> io::Result<()> {
    fault::point("nodes.boot.mark")?;
    Ok(fs::symlinkat(current()?, dir, MARK)?)
}

/// Reads the mark in a node's directory.
pub(super) fn lasts(dir: impl AsFd) -> io::Result<Lasts> {
    Ok(match marked(dir)? {
        None => Lasts::Always,
        Some(boot) if boot == current()? => Lasts::ThisBoot,
        Some(_) => Lasts::NoMore,
    })
}

/// Whether a draft was for an earlier boot, and nobody has it.
pub(super) fn is_over(dir: impl AsFd) -> io::Result<bool> {
    Ok(lasts(&dir)? == Lasts::NoMore && !is_held(&dir)?)
}

fn is_held(dir: impl AsFd) -> io::Result<bool> {
    match disk::find_file(dir, record::LOCKED)? {
        Some(file) => lock::is_held(&file, lock::ALONE),
        None => Ok(false),
    }
}

/// Sets aside what was for an earlier boot, unless that was done in this boot,
/// and tells how many drafts it were.
pub(super) fn sweep(store: &NodeStore) -> io::Result<u64> {
    let boot = current()?;
    if marked(&store.root)?.as_ref() == Some(&boot) {
        return Ok(0);
    }
    let _held = store.lock.hold()?;
    let mut count = 0;
    for name in disk::names(&store.drafts)? {
        count += u64::from(set_aside_if_over(store, &name)?);
    }
    // If that fails, on a full medium perhaps, the next `open` sweeps again.
    drop(note(store, &boot));
    Ok(count)
}

fn set_aside_if_over(store: &NodeStore, name: &OsStr) -> io::Result<bool> {
    let dir = match at::open_dir(&store.drafts, name) {
        // No draft, then: a check tells of it.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
        opened => opened?,
    };
    let (true, Some(name)) = (is_over(&dir)?, name.to_str()) else { return Ok(false) };
    reclaim::set_aside(store, store.drafts.as_fd(), name)?;
    Ok(true)
}

/// Whether that is all that is left of a draft for one boot, given that its record
/// can't be understood.
pub(super) fn is_lost(node: NodeRef<'_>, dir: impl AsFd) -> io::Result<bool> {
    match node {
        NodeRef::Draft(_) => Ok(lasts(dir)? != Lasts::Always),
        NodeRef::Layer(_) => Ok(false),
    }
}

/// Sets a lost draft aside, if nobody has it.
pub(super) fn discard_lost(store: &NodeStore, id: &DraftId) -> io::Result<bool> {
    let _held = store.lock.hold()?;
    let node = NodeRef::from(id);
    let Some(dir) = disk::find_dir(&store.drafts, id.as_str())? else { return Ok(false) };
    let Some(file) = disk::find_file(&dir, record::file_name(node))? else { return Ok(false) };
    let readable = Record::parse(node, &disk::read_all(&file)?).is_ok();
    if readable || !is_lost(node, &dir)? || lock::is_held(&file, lock::ALONE)? {
        return Ok(false);
    }
    reclaim::set_aside(store, store.drafts.as_fd(), id.as_str())?;
    Ok(true)
}

fn note(store: &NodeStore, boot: &str) -> io::Result<()> {
    fault::point("nodes.boot.note")?;
    match fs::unlinkat(&store.root, MARK, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(fs::symlinkat(boot, &store.root, MARK)?),
        Err(e) => Err(e.into()),
    }
}

fn marked(dir: impl AsFd) -> io::Result<Option<String>> {
    match fs::readlinkat(dir, MARK, Vec::new()) {
        Ok(boot) => Ok(Some(boot.to_string_lossy().into_owned())),
        Err(Errno::NOENT | Errno::INVAL) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// The kernel's name for the time since it was started (random(4)).
fn current() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end().to_owned())
}
