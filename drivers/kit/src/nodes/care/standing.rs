//! What is in the making, mounted, or removed: what processes leave that die.

use std::io;
use std::path::Path;

use graphdriver_api::{DraftId, MountTicket, NodeId, NodeRef};

use super::super::{NodeStore, disk, lock, mounted};
use super::found::{Action, Found};
use super::look::Look;
use super::nodes::is_held;
use super::records::Known;

pub(super) fn look(look: &Look<'_>, store: &NodeStore, known: &Known) -> io::Result<Vec<Found>> {
    let mut found = making(store)?;
    for name in disk::names(&store.tickets)? {
        found.extend(ticket(look, store, known, &name)?);
    }
    for name in disk::names(&store.mounts)? {
        found.extend(mount(look, store, known, &name)?);
    }
    found.extend(trash(store)?);
    Ok(found)
}

fn making(store: &NodeStore) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for name in disk::names(&store.making)? {
        let path = Path::new("making").join(&name);
        match crate::at::open_dir(&store.making, &name).map_err(io::Error::from) {
            Err(e) if super::look::is_no_dir(&e) => {
                let what = format!("{name:?} lies among what is being made and isn't a node");
                found.push(Found::wrong("stray", path, what).set_aside());
            }
            Err(e) => return Err(e),
            Ok(dir) => {
                // Its maker has the lock; only holders of the root lock, which
                // is ours now, try it.
                if lock::try_dir(&dir)? {
                    lock::release_dir(&dir);
                    let what = "the process that was making it has ended".to_owned();
                    found.push(Found::leftover("half-made", path, what));
                }
            }
        }
    }
    Ok(found)
}

fn draft_of(name: &std::ffi::OsStr) -> Option<DraftId> {
    DraftId::new(name.to_str()?).ok()
}

fn is_there(known: &Known, id: &DraftId) -> bool {
    known.nodes.contains_key(&NodeId::Draft(id.clone()))
}

fn ticket(
    look: &Look<'_>,
    store: &NodeStore,
    known: &Known,
    name: &std::ffi::OsStr,
) -> io::Result<Option<Found>> {
    let path = Path::new("tickets").join(name);
    // One that is being written.
    if name.as_encoded_bytes().starts_with(b".") {
        return Ok(None);
    }
    let Some(id) = draft_of(name) else {
        let what = format!("{name:?} lies among the tickets and isn't one");
        return Ok(Some(Found::wrong("stray", path, what).set_aside()));
    };
    let Some(bytes) = read_ticket(store, &id)? else { return Ok(None) };
    let Ok(ticket) = serde_json::from_slice::<MountTicket>(&bytes) else {
        let what = "the ticket of a mount can't be read".to_owned();
        let found = Found::wrong("ticket-damaged", path, what).of(NodeRef::Draft(&id));
        return Ok(Some(found.mend(Action::DeleteTicket(id), "delete it; a mount stays busy")));
    };
    if is_held(look, (&id).into())? || !is_gone(store, &ticket)? {
        return Ok(None);
    }
    // Whoever ended the mount takes the ticket along.
    let still = read_ticket(store, &id)?.as_deref() == Some(&*bytes);
    let what = match is_there(known, &id) {
        true => "the mount that its ticket is of is gone",
        false => "neither the mount that it is of nor its draft is there",
    };
    Ok(still
        .then(|| Found::leftover("ticket-stale", path, what.to_owned()).of(NodeRef::Draft(&id))))
}

fn read_ticket(store: &NodeStore, id: &DraftId) -> io::Result<Option<Vec<u8>>> {
    disk::find_file(&store.tickets, id.as_str())?.map(|file| disk::read_all(&file)).transpose()
}

fn is_gone(store: &NodeStore, ticket: &MountTicket) -> io::Result<bool> {
    Ok(matches!(store.standing(ticket)?, mounted::Standing::Gone))
}

fn mount(
    look: &Look<'_>,
    store: &NodeStore,
    known: &Known,
    name: &std::ffi::OsStr,
) -> io::Result<Option<Found>> {
    let path = Path::new("mounts").join(name);
    let Some(id) = draft_of(name) else {
        let what = format!("{name:?} lies among the mount points and isn't one");
        return Ok(Some(Found::wrong("stray", path, what).set_aside()));
    };
    if !mounted::stands(store, &id)? {
        let what = "a mount point whose draft is gone".to_owned();
        let stray = !is_there(known, &id);
        return Ok(stray.then(|| Found::leftover("mount-point", path, what)));
    }
    if is_kept(look, store, &id)? {
        return Ok(None);
    }
    // Its holder may have ended it just then.
    let stale = mounted::stands(store, &id)? && !is_kept(look, store, &id)?;
    let what = "a mount whose holder has ended still stands".to_owned();
    Ok(stale.then(|| Found::leftover("mount-stale", path, what).of(NodeRef::Draft(&id))))
}

/// Whether somebody holds the mount, or left it standing on purpose.
fn is_kept(look: &Look<'_>, store: &NodeStore, id: &DraftId) -> io::Result<bool> {
    Ok(is_held(look, id.into())? || read_ticket(store, id)?.is_some())
}

fn trash(store: &NodeStore) -> io::Result<Option<Found>> {
    let count = disk::names(&store.trash)?.len();
    let what = format!("{count} removed nodes wait for their files to be deleted");
    Ok((count > 0)
        .then(|| Found::leftover("trash", "trash", what).mend(Action::Reclaim, "delete them")))
}
