//! `rmi`.

use std::path::Path;

use clap::Args;
use sapwood_engine::Engine;
use sapwood_engine::container::Containers;
use sapwood_engine::image::Removed;

use crate::failure::Failure;
use crate::output::print;

/// Options of `rmi`.
#[derive(Debug, Args)]
#[command(after_help = "\
A name is taken away; the image goes with its last name, and its layers go
unless another image or a container stands on them. An id means the image with
all its names.")]
pub struct RmiArgs {
    /// Names, ids or beginnings of ids
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
    /// Remove even if a stopped container uses it, or with names in several
    /// repositories
    #[arg(long, short)]
    force: bool,
}

/// Removes each, and tells what went; one that can't be removed doesn't keep
/// the others.
pub fn rmi(engine: &Engine, run_root: &Path, args: &RmiArgs) -> Result<(), Failure> {
    // A container that died with its engine is still recorded as running, and
    // would keep its image.
    Containers::open(engine, run_root)
        .and_then(|containers| containers.recover())
        .map_err(|e| Failure::new(e.to_string()))?;
    let mut failures = Vec::new();
    for given in &args.images {
        match engine.remove_image(given, args.force) {
            Ok(removed) => print(&removed.iter().map(tell).collect::<String>())?,
            Err(e) => failures.push(e.report()),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("; "))) }
}

fn tell(removed: &Removed) -> String {
    match removed {
        Removed::Untagged(name) => format!("Untagged: {name}\n"),
        Removed::Deleted(id) => format!("Deleted: {id}\n"),
    }
}
