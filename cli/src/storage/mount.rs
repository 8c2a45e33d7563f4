//! `storage mount` and `storage unmount`.

use std::path::Path;

use clap::Args;
use graphdriver_api::{
    Access, DraftId, ErrorKind, LayerId, MountRequest, MountState, MountTicket, NodeId, NodeInfo,
    NodeKind,
};

use super::select;
use crate::failure::Failure;
use crate::open::Storage;
use crate::output::{Format, print, print_json};

/// Views that `storage mount` makes of layers begin like this, so that
/// `storage unmount` knows which to remove.
const VIEW_PREFIX: &str = "storage-mount-";

/// Options of `storage mount`.
#[derive(Debug, Args)]
pub struct MountArgs {
    #[arg(help = select::NODE_HELP)]
    node: String,
    /// Mount a draft read-only (views of layers always are)
    #[arg(long)]
    read_only: bool,
    /// Don't mount; print how to
    #[arg(long)]
    plan: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Options of `storage unmount`.
#[derive(Debug, Args)]
pub struct UnmountArgs {
    /// Where it is mounted, or the id of what is
    target: String,
}

/// Mounts a node, leaves it so, and prints where.
pub fn mount(storage: &Storage, args: &MountArgs) -> Result<(), Failure> {
    let node = select::node(&*storage.driver, &args.node)?;
    let access = if args.read_only { Access::ReadOnly } else { Access::ReadWrite };
    let request = MountRequest { access, ..MountRequest::default() };
    if args.plan {
        return plan(storage, &node, &request);
    }
    let (draft, made) = draft_to_mount(storage, &node)?;
    let ticket = match leave_mounted(storage, &draft, &request) {
        Ok(ticket) => ticket,
        Err(failure) => {
            if made {
                storage.driver.remove((&draft).into())?;
            }
            return Err(failure);
        }
    };
    match args.format {
        Format::Table => print(&format!("{}\n", ticket.path.display())),
        Format::Json => print_json(&ticket),
    }
}

fn plan(storage: &Storage, node: &NodeInfo, request: &MountRequest) -> Result<(), Failure> {
    match &node.id {
        NodeId::Draft(draft) => print_json(&storage.driver.mount_plan(draft, request)?),
        NodeId::Layer(_) => {
            Err(Failure::new("a layer is mounted through a view; a plan needs a draft or view"))
        }
    }
}

/// A draft as it is; for a layer, a new view of it. Says whether it is new.
fn draft_to_mount(storage: &Storage, node: &NodeInfo) -> Result<(DraftId, bool), Failure> {
    match &node.id {
        NodeId::Draft(draft) => Ok((draft.clone(), false)),
        NodeId::Layer(layer) => Ok((new_view(storage, layer)?, true)),
    }
}

fn new_view(storage: &Storage, layer: &LayerId) -> Result<DraftId, Failure> {
    let short: String = layer.as_str().chars().take(12).collect();
    for n in 1_u32.. {
        let id = DraftId::new(format!("{VIEW_PREFIX}{short}-{n}"))
            .map_err(|e| Failure::new(e.to_string()))?;
        match storage.driver.view(&id, layer) {
            Ok(()) => return Ok(id),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(Failure::new("no free id for a view is left"))
}

fn leave_mounted(
    storage: &Storage,
    draft: &DraftId,
    request: &MountRequest,
) -> Result<MountTicket, Failure> {
    let mut guard = storage.driver.mount(draft, request)?;
    guard.persist()?.ok_or_else(|| Failure::new("the mount ended by itself"))
}

/// Unmounts what stands, and removes the view that `storage mount` made for it.
pub fn unmount(storage: &Storage, args: &UnmountArgs) -> Result<(), Failure> {
    let node = find_mounted(storage, &args.target)?;
    let MountState::Persisted(ticket) = &node.mount else {
        return Err(Failure::new(match node.mount {
            MountState::Held => format!("{} is mounted by a running process; end that", node.id),
            _ => format!("{} isn't mounted", node.id),
        }));
    };
    match storage.driver.adopt(ticket) {
        Ok(mut guard) => guard.unmount()?,
        // Gone already, by a reboot or umount(8): what was asked for is so.
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(e.into()),
    }
    if node.kind == NodeKind::View && ticket.draft.as_str().starts_with(VIEW_PREFIX) {
        storage.driver.remove((&ticket.draft).into())?;
    }
    Ok(())
}

fn find_mounted(storage: &Storage, target: &str) -> Result<NodeInfo, Failure> {
    if !target.starts_with('/') {
        return select::node(&*storage.driver, target);
    }
    let at = Path::new(target);
    storage
        .driver
        .list()?
        .into_iter()
        .find(|n| matches!(&n.mount, MountState::Persisted(t) if t.path == at))
        .ok_or_else(|| {
            Failure::new(format!("nothing of {} is mounted on {target}", storage.driver.name()))
        })
}
