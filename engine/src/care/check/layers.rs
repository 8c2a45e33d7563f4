//! Rows of layers, and the driver's layers.

use graphdriver_api::NodeId;

use super::super::Site;
use super::super::finding::{Action, Finding};
use super::super::snapshot::{Layer, Snapshot};
use super::world::World;
use crate::container::is_init_layer;
use crate::error::Result;
use crate::image::{ChainId, DRAFT_PREFIX, Digest};
use crate::store::DATABASE;
use crate::store::layers::LayerRow;

pub(super) fn look(site: &Site<'_>, world: &World, rows: &Snapshot) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (chain, row) in &rows.layers {
        found.extend(row_of(site, world, rows, chain, row));
    }
    if world.alone {
        found.extend(unrecorded(site, world, rows)?);
        found.extend(work(site, world, rows));
    }
    Ok(found)
}

fn row_of(
    site: &Site<'_>,
    world: &World,
    rows: &Snapshot,
    chain: &str,
    row: &Layer,
) -> Option<Finding> {
    let suspect = world.is_suspect_layer(chain);
    let Some(node) = world.layer_node(chain) else {
        if suspect {
            return None;
        }
        let path = site.driver_root().join("layers").join(chain);
        let what = "its record is there, and the driver hasn't got it";
        let found = Finding::lost("layer-missing", path, what).about(world.layer(chain));
        return Some(found.hopeless(
            Action::ForgetLayer(chain.to_owned()),
            "nothing: load an image that has it again",
        ));
    };
    let of_driver = node.parent.as_ref().map(|p| p.as_str().to_owned());
    let right = expected_parent(rows, chain, row).unwrap_or_else(|| of_driver.clone());
    let path = site.engine_dir().join(DATABASE);
    if row.parent != right {
        let what = format!(
            "its record says that it stands on {}, and it stands on {}",
            name(row.parent.as_deref()),
            name(right.as_deref())
        );
        let found = Finding::wrong("layer-parent", path, what).about(world.layer(chain));
        return Some(found.mend(Action::SetParent(chain.to_owned(), right), "correct its record"));
    }
    if of_driver != right && !suspect {
        let what = format!(
            "the driver has it on {}, and its name says that it stands on {}",
            name(of_driver.as_deref()),
            name(right.as_deref())
        );
        let found = Finding::lost("layer-on-another", path, what).about(world.layer(chain));
        return Some(found.hopeless(
            Action::ForgetLayer(chain.to_owned()),
            "nothing: remove the images that have it, and load them again",
        ));
    }
    None
}

fn name(chain: Option<&str>) -> String {
    chain.map_or_else(|| "nothing".to_owned(), |chain| chain.chars().take(12).collect())
}

/// The parent that a chain ID stands for: it is a digest of its parent's and of
/// the diff ID. `None` where that tells nothing.
fn expected_parent(rows: &Snapshot, chain: &str, row: &Layer) -> Option<Option<String>> {
    let diff: Digest = row.diff_id.parse().ok()?;
    let fits = |parent: Option<&str>| -> bool {
        let Some(parent) = parent else { return ChainId::on(None, &diff).hex() == chain };
        // The lowest layer's chain ID is its diff ID: so any digest is one.
        let below = format!("{}:{parent}", diff.algorithm().name()).parse::<Digest>();
        below.is_ok_and(|b| ChainId::on(Some(&ChainId::on(None, &b)), &diff).hex() == chain)
    };
    if fits(row.parent.as_deref()) {
        return Some(row.parent.clone());
    }
    if fits(None) {
        return Some(None);
    }
    rows.layers.keys().find(|candidate| fits(Some(candidate))).map(|p| Some(p.clone()))
}

/// Layers that no row names, while nobody is making any.
fn unrecorded(site: &Site<'_>, world: &World, rows: &Snapshot) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for node in world.our_layers() {
        let NodeId::Layer(id) = &node.id else { continue };
        let chain = id.as_str();
        if rows.layers.contains_key(chain) {
            continue;
        }
        let path = site.driver_root().join("layers").join(chain);
        let what = "no record names it";
        let parent = node.parent.as_ref().map(|p| p.as_str().to_owned());
        let needed = rows.containers.values().any(|c| c.base.as_deref() == Some(chain))
            || rows.images.values().any(|i| i.top.as_deref() == Some(chain))
            || rows.layers.values().any(|l| l.parent.as_deref() == Some(chain));
        let row = |diff_id: String, size| {
            let chain_id = chain.to_owned();
            Action::RecordLayer(LayerRow { chain_id, diff_id, parent: parent.clone(), size })
        };
        let one = match diff_id(site, chain)? {
            Some((diff_id, size)) => {
                Finding::wrong("layer-unrecorded", path, what).mend(row(diff_id, size), "record it")
            }
            None if needed && is_init_layer(chain) => {
                Finding::wrong("layer-unrecorded", path, what)
                    .mend(row(String::new(), 0), "record it")
            }
            None => Finding::leftover("layer-unrecorded", path, what)
                .mend(Action::Collect, "remove it, as the next load does"),
        };
        found.push(one.about(world.layer(chain)));
    }
    Ok(found)
}

/// What the copies of images say of a layer.
fn diff_id(site: &Site<'_>, chain: &str) -> Result<Option<(String, u64)>> {
    let copies = crate::store::copies::read_images(&site.engine_dir())?;
    let layer = copies.iter().flat_map(|c| &c.layers).find(|layer| layer.chain_id == chain);
    Ok(layer.map(|layer| (layer.diff_id.clone(), layer.size)))
}

/// Notes of work that nobody does any more, and drafts of it.
fn work(site: &Site<'_>, world: &World, rows: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    let database = site.engine_dir().join(DATABASE);
    for token in &rows.unfinished {
        let what = format!("the work {token:?} ended before its end was noted");
        let one = Finding::leftover("work-unfinished", database.clone(), what);
        found.push(one.mend(Action::Collect, "take away what it left, as the next load does"));
    }
    for id in world.nodes.keys() {
        let NodeId::Draft(draft) = id else { continue };
        if draft.as_str().starts_with(DRAFT_PREFIX) {
            let path = site.driver_root().join("drafts").join(draft.as_str());
            let what = "the load that was unpacking it has ended";
            let one = Finding::leftover("draft-unfinished", path, what);
            let one = one.mend(Action::Collect, "remove it, as the next load does");
            found.push(one.about(world.draft(draft.as_str())));
        }
    }
    found
}
