//! Tickets: what says that a mount without a holder was left standing on
//! purpose.

use graphdriver_api::{DraftId, ErrorKind, MountTicket, Result};

use super::call::Call;
use super::{NodeStore, disk};
use crate::fault;

/// The draft's ticket, if it has one.
pub(super) fn read(store: &NodeStore, call: Call<'_>, id: &DraftId) -> Result<Option<MountTicket>> {
    let file = disk::find_file(&store.tickets, id.as_str());
    let Some(file) = file.map_err(call.io("open the draft's ticket"))? else { return Ok(None) };
    let bytes = disk::read_all(&file).map_err(call.io("read the draft's ticket"))?;
    let ticket = serde_json::from_slice(&bytes).map_err(|e| {
        call.fail(ErrorKind::Corrupt, "its mount's ticket can't be read").with_source(e)
    })?;
    Ok(Some(ticket))
}

/// Records a ticket. It is durable although no mount outlives a power cut: what
/// is half written must not be found in its place.
pub(super) fn write(store: &NodeStore, call: Call<'_>, ticket: &MountTicket) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let bytes = serde_json::to_vec(ticket)?;
        disk::replace_file(&store.tickets, ticket.draft.as_str(), &bytes)
    };
    write().map_err(call.io("write the draft's ticket"))
}

/// Deletes a ticket, if there is one.
pub(super) fn delete(store: &NodeStore, id: &DraftId) -> std::io::Result<bool> {
    fault::point("nodes.tickets.delete")?;
    disk::remove_file(&store.tickets, id.as_str())
}
