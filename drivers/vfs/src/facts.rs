//! What was found and follows from it, in words and as traits.

use graphdriver_api::{CopyUnit, Fact, Traits};

use crate::probe::{Finding, Probe};

/// Everything about this host and this opening, in the order of interest.
pub(crate) fn facts(probe: &Probe) -> Vec<Fact> {
    vec![
        Fact::new("copies", "whole", "each draft begins as a copy of its layer's tree"),
        found("shared blocks", &probe.shared_blocks),
        found("id maps", &probe.id_maps),
        Fact::new("maximum depth", "none", "a tree doesn't depend on those beneath it"),
        Fact::new("native diff", "off", "trees are compared file by file"),
    ]
}

fn found(name: &'static str, finding: &Finding) -> Fact {
    Fact::new(name, if finding.works { "on" } else { "off" }, finding.reason.clone())
}

/// What differs from other drivers: nothing stands between a container and the
/// file system beneath, so nearly nothing.
pub(crate) fn traits(probe: &Probe) -> Traits {
    Traits {
        max_depth: None,
        // A layer is its whole tree, parent included.
        rebase: false,
        exact_diff: true,
        directory_rename: true,
        longest_moved_path: None,
        hard_links_survive_write: true,
        readers_see_writes: true,
        inodes_are_stable: true,
        zero_device: true,
        id_maps: probe.id_maps.works,
        // Device nodes and attributes of layers need root's privileges.
        rootless: false,
        copy_unit: CopyUnit::Tree,
    }
}
