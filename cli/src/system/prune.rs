//! `system prune`.

use std::path::Path;

use clap::Args;
use sapwood_engine::Engine;

use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{human_size, print};
use crate::prune_filter::PruneFilter;
use crate::{container, image};

/// Options of `system prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Remove every image that no container was made of, not only those without
    /// a name
    #[arg(long, short)]
    all: bool,
    /// Don't ask
    #[arg(long, short)]
    force: bool,
    /// Only what fits, repeatable: until=TIME, label=KEY[=VALUE]
    #[arg(long, value_name = "FILTER")]
    filter: Vec<PruneFilter>,
}

/// Removes containers first: images may be free then.
pub fn prune(engine: &Engine, runroot: &Path, args: &PruneArgs) -> Result<(), Failure> {
    let images = match args.all {
        true => "all images without at least one container associated to them",
        false => "all dangling images",
    };
    let warning = format!("This will remove:\n  - all stopped containers\n  - {images}\n");
    if !args.force && !confirm(&warning)? {
        return Ok(());
    }
    let containers = container::prune_all(engine, runroot, &args.filter)?;
    print(&container::told_pruned(&containers))?;
    let images = image::prune_all(engine, args.all, &args.filter)?;
    let bytes = containers.bytes + images.bytes;
    let told = image::told_pruned(&images);
    print(&format!("{told}Total reclaimed space: {}\n", human_size(bytes)))
}
