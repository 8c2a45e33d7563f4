//! What `open` mends: the leavings of processes that are dead, and of earlier
//! boots. It looks only where such leavings can be, so its cost doesn't grow with
//! the nodes, but once in a boot.

use std::io;
use std::os::fd::OwnedFd;

use graphdriver_api::{DraftId, ErrorKind, Op, Recovered, Result};

use super::call::Call;
use super::lease::Use;
use super::mounted::{self, Standing};
use super::{NodeStore, boot, disk, making, ticket};

pub(super) fn run(store: &NodeStore, call: Call<'_>) -> Result<Recovered> {
    let ended = boot::sweep(store).map_err(call.io("set aside what was for an earlier boot"))?;
    let half_made = drafts(store).map_err(call.io("set aside what was being made"))?;
    let mounts = tickets(store, call)? + mounts(store, call)?;
    Ok(Recovered { half_made, ended, mounts })
}

fn drafts(store: &NodeStore) -> io::Result<u64> {
    let mut count = 0;
    for name in disk::names(&store.making)? {
        let _held = store.lock.hold()?;
        let Some(name) = name.to_str() else { continue };
        let was_there = disk::is_there(&store.making, name)?;
        count += u64::from(was_there && making::set_aside_if_dead(store, name)?);
    }
    Ok(count)
}

/// Deletes tickets whose mounts are gone.
fn tickets(store: &NodeStore, call: Call<'_>) -> Result<u64> {
    let mut count = 0;
    for id in ids(&store.tickets).map_err(call.io("read the tickets"))? {
        // Somebody has adopted it, or is about to.
        let Some(_lease) = free(store, &id)? else { continue };
        count += u64::from(delete_if_gone(store, call, &id)?);
    }
    Ok(count)
}

fn delete_if_gone(store: &NodeStore, call: Call<'_>, id: &DraftId) -> Result<bool> {
    let Some(ticket) = ticket::read(store, call, id)? else { return Ok(false) };
    match store.standing(&ticket).map_err(call.io("look for a mount"))? {
        Standing::Here(_) | Standing::Elsewhere => Ok(false),
        Standing::Gone => ticket::delete(store, id).map_err(call.io("delete a ticket")),
    }
}

/// Unmounts what has neither holder nor ticket.
fn mounts(store: &NodeStore, call: Call<'_>) -> Result<u64> {
    let mut count = 0;
    for id in ids(&store.mounts).map_err(call.io("read the mount points"))? {
        if !mounted::stands(store, &id).map_err(call.io("look for a mount"))? {
            drop_point(store, &id).map_err(call.io("delete a mount point"))?;
            continue;
        }
        let Some(_lease) = free(store, &id)? else { continue };
        if ticket::read(store, call, &id)?.is_none() {
            count += u64::from(end(store, &id).map_err(call.io("end a dead process's mount"))?);
        }
    }
    Ok(count)
}

fn ids(dir: &OwnedFd) -> io::Result<Vec<DraftId>> {
    let names = disk::names(dir)?;
    Ok(names.iter().filter_map(|name| DraftId::new(name.to_str()?).ok()).collect())
}

/// Unmounts, unless somebody still works in there: then the mount stays, and
/// keeps its draft busy.
fn end(store: &NodeStore, id: &DraftId) -> io::Result<bool> {
    while mounted::stands(store, id)? {
        match mounted::detach(&store.root_in_sight()?, id) {
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy => return Ok(false),
            ended => ended?,
        }
    }
    Ok(true)
}

/// Deletes the mount point of a draft that is gone, as whoever took it away
/// would have done.
fn drop_point(store: &NodeStore, id: &DraftId) -> io::Result<()> {
    let _held = store.lock.hold()?;
    match disk::is_there(&store.drafts, id.as_str())? {
        true => Ok(()),
        false => mounted::remove_point(store, id),
    }
}

/// The lease of a draft that nobody holds. For a draft that isn't there, or is
/// damaged, there is nothing to wait for either: `Some(None)`.
fn free(store: &NodeStore, id: &DraftId) -> Result<Option<Option<super::Lease>>> {
    match store.lease_node(Op::Open, id.into(), Use::Mount) {
        Ok(lease) => Ok(Some(Some(lease))),
        Err(e) if e.kind() == ErrorKind::Busy => Ok(None),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => Ok(Some(None)),
        Err(e) => Err(e),
    }
}
