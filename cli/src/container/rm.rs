//! `sapwood rm`: removing containers.

use std::path::Path;

use clap::Args;
use sapwood_engine::Engine;

use crate::failure::Failure;
use crate::output::print;

/// Options of `rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Kill running containers
    #[arg(long, short)]
    force: bool,
    /// Containers: names, ids, or beginnings of ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Removes containers, and prints each name as it was given.
///
/// # Errors
/// Those that couldn't be removed; the others are.
pub fn rm(engine: &Engine, runroot: &Path, args: &RmArgs) -> Result<(), Failure> {
    let containers = super::open(engine, runroot)?;
    let mut failures = Vec::new();
    for given in &args.containers {
        match containers.remove(given, args.force) {
            Ok(_) => print(&format!("{given}\n"))?,
            Err(e) => failures.push(e.to_string()),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("; "))) }
}
