//! Containers: records, drafts, and folders of those that run.

use graphdriver_api::{DraftId, LayerId, NodeId, NodeInfo};

use super::super::Site;
use super::super::finding::{Action, Finding};
use super::super::snapshot::{ContainerRow, Snapshot};
use super::world::{World, is_container_id};
use crate::container::{dead_folders, record_problem};
use crate::error::Result;
use crate::store::DATABASE;
use crate::store::copies::{ContainerCopy, Kind, if_whole, path_of, read_container};

/// The code of a container whose tree is gone, or going.
pub(super) const WITHOUT_TREE: &str = "container-without-tree";

/// `before` was read before the driver was looked at, `after` after that.
pub(super) fn look(
    site: &Site<'_>,
    world: &World,
    before: &Snapshot,
    after: &Snapshot,
) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (id, row) in before.containers.iter().filter(|(id, _)| after.containers.contains_key(*id)) {
        found.extend(record(site, world, id, row)?);
        found.extend(draft(site, world, id, row));
    }
    for node in world.nodes.values() {
        let NodeId::Draft(id) = &node.id else { continue };
        let known = |rows: &Snapshot| rows.containers.contains_key(id.as_str());
        if is_container_id(id.as_str()) && !known(before) && !known(after) {
            found.push(unclaimed(site, world, node, id)?);
        }
    }
    found.extend(folders(site, after)?);
    Ok(found)
}

fn good_copy(site: &Site<'_>, id: &str) -> Result<Option<ContainerCopy>> {
    let path = path_of(&site.engine_dir(), Kind::Container, id);
    let good = |copy: &ContainerCopy| copy.id == id && record_problem(&copy.record).is_none();
    Ok(if_whole(read_container(&path))?.filter(good))
}

fn record(site: &Site<'_>, world: &World, id: &str, row: &ContainerRow) -> Result<Option<Finding>> {
    let Some(problem) = record_problem(&row.record) else { return Ok(None) };
    let what = format!("its record can't be read: {problem}");
    let path = site.engine_dir().join(DATABASE);
    let found = match good_copy(site, id)? {
        Some(copy) => Finding::wrong("container-record", path, what)
            .mend(Action::RestoreContainer(Box::new(copy)), "take it from its copy"),
        None => Finding::lost("container-record", path, what).hopeless(
            Action::ForgetContainer(id.to_owned()),
            "nothing: copy what you need out of it, and remove it",
        ),
    };
    Ok(Some(found.about(world.container(id))))
}

fn draft(site: &Site<'_>, world: &World, id: &str, row: &ContainerRow) -> Option<Finding> {
    let draft = DraftId::new(id).ok()?;
    let path = site.driver_root().join("drafts").join(id);
    let Some(node) = world.nodes.get(&NodeId::Draft(draft)) else {
        if world.is_suspect_draft(id) || is_young(site, id) {
            return None;
        }
        if row.unfinished {
            let what = "it was being made or removed, and nobody has noted the end of that";
            let found = Finding::leftover("container-ended", path, what);
            let found = found.mend(Action::Settle, "remove it, as the next command does");
            return Some(found.about(world.container(id)));
        }
        let found = Finding::lost(WITHOUT_TREE, path, "its tree is missing");
        let advice = "nothing: what it changed is gone; remove it";
        return Some(
            found
                .hopeless(Action::ForgetContainer(id.to_owned()), advice)
                .about(world.container(id)),
        );
    };
    let on = node.parent.as_ref().map(|p| p.as_str().to_owned());
    if on == row.base || world.is_suspect_draft(id) {
        return None;
    }
    let what = "its record names another layer than the one that its tree stands on";
    let path = site.engine_dir().join(DATABASE);
    let found = Finding::lost("container-base", path, what).about(world.container(id));
    Some(found.hopeless(
        Action::ForgetContainer(id.to_owned()),
        "nothing: copy what you need out of it, and remove it",
    ))
}

/// Whether somebody keeps the container alive: its record comes before its
/// tree.
fn is_young(site: &Site<'_>, id: &str) -> bool {
    crate::container::is_alive(site.run_root, &site.engine_dir(), id).unwrap_or(true)
}

fn unclaimed(site: &Site<'_>, world: &World, node: &NodeInfo, id: &DraftId) -> Result<Finding> {
    let path = site.driver_root().join("drafts").join(id.as_str());
    let what = "a container's tree that no record names";
    let fits =
        |copy: &ContainerCopy| copy.base.as_deref() == node.parent.as_ref().map(LayerId::as_str);
    let found = match good_copy(site, id.as_str())?.filter(fits) {
        Some(copy) => Finding::wrong("container-unrecorded", path, what)
            .mend(Action::RestoreContainer(Box::new(copy)), "record it again from its copy"),
        None => Finding::lost("container-unrecorded", path, what).hopeless(
            Action::RemoveDraft(id.as_str().to_owned()),
            "nothing: copy what you need out of it (`sapwood storage mount`)",
        ),
    };
    Ok(found.about(world.container(id.as_str())))
}

fn folders(site: &Site<'_>, rows: &Snapshot) -> Result<Vec<Finding>> {
    let dead = dead_folders(site.run_root, &site.engine_dir())
        .map_err(|e| crate::Error::Invalid(e.to_string()))?;
    let tell = |(id, path): (String, std::path::PathBuf)| {
        let what = match rows.containers.contains_key(&id) {
            true => "a container ended, and nobody has noted it",
            false => "the folder of a container that is gone",
        };
        let found = Finding::leftover("run-folder", path, what);
        found.mend(Action::Settle, "settle it, as the next command on containers does")
    };
    Ok(dead.into_iter().map(tell).collect())
}
