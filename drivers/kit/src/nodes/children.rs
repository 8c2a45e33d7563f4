//! Which layers have children, told by a directory of links in each.
//!
//! A link is made before its node and deleted after it, so a crash can leave
//! one too many and never one too few. All of this happens under the root lock.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use graphdriver_api::{DraftId, LayerId, NodeId, NodeRef, Op};
use rustix::fs::Dir;

use super::record::{link_name, linked_node};
use super::{NodeStore, disk, making};
use crate::fault;

const DIR: &str = "children";

/// Links `child` in its parent's directory. Not durable before [`sync`].
pub(super) fn link(parent: BorrowedFd<'_>, child: NodeRef<'_>) -> io::Result<()> {
    fault::point("nodes.children.link")?;
    if disk::make_dir(parent, DIR)? {
        disk::sync_dir(parent)?;
    }
    disk::make_mark(disk::open_dir(parent, DIR)?, &link_name(child))
}

/// Makes the links of this parent durable.
pub(super) fn sync(parent: BorrowedFd<'_>) -> io::Result<()> {
    disk::sync_dir(disk::open_dir(parent, DIR)?)
}

/// Takes a link away, if it is there.
pub(super) fn unlink(parent: BorrowedFd<'_>, child: NodeRef<'_>) -> io::Result<()> {
    fault::point("nodes.children.unlink")?;
    if let Some(dir) = disk::find_dir(parent, DIR)? {
        disk::remove_file(dir, &link_name(child))?;
    }
    Ok(())
}

/// Whether anything stands on `layer`; stale links are deleted on the way.
pub(super) fn first(
    store: &NodeStore,
    layer: &LayerId,
    dir: BorrowedFd<'_>,
) -> io::Result<Option<NodeId>> {
    let Some(links) = disk::find_dir(dir, DIR)? else { return Ok(None) };
    // One by one: the first is nearly always a child, and there may be thousands.
    for entry in Dir::read_from(&links)? {
        let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        let Some(child) = linked_node(&name) else { continue };
        if is_child(store, layer, &child)? {
            return Ok(Some(child));
        }
        disk::remove_file(&links, &link_name(child.as_ref()))?;
    }
    Ok(None)
}

fn is_child(store: &NodeStore, layer: &LayerId, child: &NodeId) -> io::Result<bool> {
    if let NodeId::Draft(id) = child
        && is_being_made(store, id)?
    {
        return Ok(true);
    }
    match store.find(Op::Remove, child.as_ref()) {
        Ok(found) => Ok(found.is_some_and(|node| node.record().parent.as_ref() == Some(layer))),
        // What can't be read may well stand on it.
        Err(_) => Ok(true),
    }
}

/// The base of a draft that is being made isn't recorded yet: any will do.
fn is_being_made(store: &NodeStore, id: &DraftId) -> io::Result<bool> {
    if !disk::is_there(store.making.as_fd(), id.as_str())? {
        return Ok(false);
    }
    Ok(!making::set_aside_if_dead(store, id.as_str())?)
}
