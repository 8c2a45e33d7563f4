//! `container prune`.

use std::path::Path;

use clap::Args;
use sapwood_engine::Engine;
use sapwood_engine::container::{Filter, PrunedContainers};

use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{human_size, print};
use crate::prune_filter::{PruneFilter, parts};

/// Options of `container prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Don't ask
    #[arg(long, short)]
    force: bool,
    /// Only containers that fit, repeatable: until=TIME, label=KEY[=VALUE]
    #[arg(long, value_name = "FILTER")]
    filter: Vec<PruneFilter>,
}

/// Removes containers that have ended.
///
/// # Errors
/// The store's.
pub fn prune(engine: &Engine, runroot: &Path, args: &PruneArgs) -> Result<(), Failure> {
    if !args.force && !confirm("This will remove all stopped containers.")? {
        return Ok(());
    }
    let pruned = remove(engine, runroot, &args.filter)?;
    print(&format!("{}Total reclaimed space: {}\n", told(&pruned), human_size(pruned.bytes)))
}

/// Removes them without asking.
///
/// # Errors
/// The store's.
pub fn remove(
    engine: &Engine,
    runroot: &Path,
    filters: &[PruneFilter],
) -> Result<PrunedContainers, Failure> {
    let (until, labels) = parts(filters);
    let label = |(key, value): &(&str, Option<&str>)| {
        Filter::Label((*key).to_owned(), value.map(str::to_owned))
    };
    let labels: Vec<_> = labels.iter().map(label).collect();
    super::open(engine, runroot)?.prune(until, &labels).map_err(|e| super::failure(&e))
}

/// What went, as docker(1) tells it.
pub fn told(pruned: &PrunedContainers) -> String {
    if pruned.ids.is_empty() {
        return String::new();
    }
    let lines: String = pruned.ids.iter().map(|id| format!("{id}\n")).collect();
    format!("Deleted Containers:\n{lines}\n")
}
