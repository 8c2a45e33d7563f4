//! What layers hold, counted again.

use graphdriver_api::{ErrorKind, LayerId, NodeRef};

use super::super::Site;
use super::super::finding::{Action, Finding};
use super::world::World;
use crate::error::Result;

pub(super) fn look(site: &Site<'_>, world: &World) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let Some(rows) = &world.rows else { return Ok(found) };
    for (chain, row) in &rows.layers {
        let (Some(counted), Some(_)) = (row.counted, world.layer_node(chain)) else { continue };
        let Ok(id) = LayerId::new(chain.as_str()) else { continue };
        let usage = match site.care.usage(&site.driver_root(), NodeRef::Layer(&id)) {
            Ok(usage) => usage,
            // Told already, or removed meanwhile.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => continue,
            Err(e) => return Err(e.into()),
        };
        if (usage.content, usage.inodes) == counted {
            continue;
        }
        let what = format!(
            "it holds {} bytes in {} inodes, and held {} in {} when it was made",
            usage.content, usage.inodes, counted.0, counted.1
        );
        let path = site.driver_root().join("layers").join(chain);
        let one = Finding::lost("layer-account", path, what).about(world.layer(chain));
        found.push(one.hopeless(
            Action::Recount(chain.clone()),
            "count it again, if its content can be verified; else load its image again",
        ));
    }
    Ok(found)
}
