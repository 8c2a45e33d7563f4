//! Showing a tree.
//!
//! A draft's directory could be used as it is. It is bind-mounted all the same,
//! because a mount is something that the kernel refuses to take away while
//! anybody uses it; a directory is not.

use std::sync::Arc;

use graphdriver_api::{
    Access, DraftId, Error, ErrorKind, MountGuard, MountPlan, MountRequest, Op, Result,
};
use sapwood_kit::idmap::{IdMaps, Mapped};
use sapwood_kit::mount::{Detached, MountError};
use sapwood_kit::nodes::{Kind, Node, NodeStore, Use};
use sapwood_sys::mount_attr::MountAttr;

use crate::tree::{TREE, owner};
use crate::{NAME, in_use};

/// As [`GraphDriver::mount`](graphdriver_api::GraphDriver::mount). `ids` is
/// `None` where id maps don't work.
pub(crate) fn mount(
    store: &Arc<NodeStore>,
    ids: Option<&IdMaps>,
    draft: &DraftId,
    request: &MountRequest,
) -> Result<MountGuard> {
    let named = |e: Error| e.with_driver(NAME).with_node(draft);
    let ids = mapped(ids, request).map_err(named)?;
    let lease = store.lease(Op::Mount, draft, Use::Mount)?;
    let access = access(lease.node(), request);
    if access == Access::ReadWrite {
        in_use::refuse(Op::Mount, store, lease.node())?;
    }
    let tree = store.open_here(Op::Mount, owner(lease.node()), TREE).map_err(named)?;
    let detached = detach(tree, access, ids.as_ref());
    let detached = detached.map_err(|e| named(Error::io(Op::Mount, "mount the tree", e)))?;
    store.attach(lease, detached)
}

fn mapped(ids: Option<&IdMaps>, request: &MountRequest) -> Result<Option<Mapped>> {
    match (&request.id_map, ids) {
        (None, _) => Ok(None),
        (Some(map), Some(ids)) => ids.get(Op::Mount, map).map(Some),
        (Some(_), None) => {
            let message = "id maps don't work here; `sapwood info` says why";
            Err(Error::new(ErrorKind::Unsupported, Op::Mount, message))
        }
    }
}

fn detach(
    tree: impl std::os::fd::AsFd,
    access: Access,
    ids: Option<&Mapped>,
) -> Result<Detached, MountError> {
    let mount = Detached::copy_of(tree)?;
    let mut attributes = MountAttr::new();
    if access == Access::ReadOnly {
        attributes = attributes.read_only();
    }
    if let Some(ids) = ids {
        attributes = attributes.id_map(ids.namespace());
    }
    mount.set(&attributes)?;
    Ok(mount)
}

fn access(node: &Node, request: &MountRequest) -> Access {
    match node.record().kind {
        Kind::Draft => request.access,
        // A view's tree is its layer's.
        Kind::View | Kind::Layer => Access::ReadOnly,
    }
}

/// As [`GraphDriver::mount_plan`](graphdriver_api::GraphDriver::mount_plan).
pub(crate) fn plan(
    store: &NodeStore,
    draft: &DraftId,
    request: &MountRequest,
) -> Result<MountPlan> {
    let node = store.check_mountable(Op::Plan, draft)?;
    if request.id_map.is_some() {
        let message = "a plan can't hold an id map: mount it here instead";
        let error = Error::new(ErrorKind::Unsupported, Op::Plan, message);
        return Err(error.with_driver(NAME).with_node(draft));
    }
    let source = store.path_in(Op::Plan, owner(&node), TREE)?;
    Ok(MountPlan::Bind { source, access: access(&node, request) })
}
