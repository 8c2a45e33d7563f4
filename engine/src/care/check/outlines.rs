//! Whether each layer's archive can be given back as it came.

use super::super::Site;
use super::super::finding::{Action, Finding};
use super::super::snapshot::Snapshot;
use super::world::World;
use crate::error::{Error, Result};

/// Looks only where there are outlines at all: stores of earlier versions have
/// none.
pub(super) fn look(site: &Site<'_>, world: &World, rows: &Snapshot) -> Result<Vec<Finding>> {
    let dir = site.engine_dir().join("outlines");
    let mut found = Vec::new();
    if !dir.try_exists().map_err(|e| Error::io("look at", &dir, e))? {
        return Ok(found);
    }
    for chain in rows.layers.iter().filter(|(_, l)| !l.diff_id.is_empty()).map(|(c, _)| c) {
        let path = dir.join(chain);
        if path.try_exists().map_err(|e| Error::io("look at", &path, e))? {
            continue;
        }
        let what = "the outline of its archive is missing: it can't be saved as it came";
        let one = Finding::lost("outline-missing", path, what).about(world.layer(chain));
        found.push(one.hopeless(
            Action::ForgetLayer(chain.clone()),
            "nothing: remove the images that have it, and load them again",
        ));
    }
    Ok(found)
}
