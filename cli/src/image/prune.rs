//! `image prune`.

use clap::Args;
use sapwood_engine::Engine;
use sapwood_engine::care::{Pruned, Which};
use sapwood_engine::image::{Filter, Removed};

use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{human_size, print};
use crate::prune_filter::{PruneFilter, parts};

/// Options of `image prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Remove every image that no container was made of, not only those without
    /// a name
    #[arg(long, short)]
    all: bool,
    /// Don't ask
    #[arg(long, short)]
    force: bool,
    /// Only images that fit, repeatable: until=TIME, label=KEY[=VALUE]
    #[arg(long, value_name = "FILTER")]
    filter: Vec<PruneFilter>,
}

/// Removes images that nobody needs.
pub fn prune(engine: &Engine, args: &PruneArgs) -> Result<(), Failure> {
    let what = match args.all {
        true => "This will remove all images without at least one container associated to them.",
        false => "This will remove all dangling images.",
    };
    if !args.force && !confirm(what)? {
        return Ok(());
    }
    let pruned = remove(engine, args.all, &args.filter)?;
    print(&format!("{}Total reclaimed space: {}\n", told(&pruned), human_size(pruned.bytes)))
}

/// Removes them without asking.
pub fn remove(engine: &Engine, all: bool, filters: &[PruneFilter]) -> Result<Pruned, Failure> {
    let (until, labels) = parts(filters);
    let label = |(key, value): &(&str, Option<&str>)| {
        Filter::Label((*key).to_owned(), value.map(str::to_owned))
    };
    Ok(engine.prune_images(&Which { all, until, filters: labels.iter().map(label).collect() })?)
}

/// What went, as docker(1) tells it.
pub fn told(pruned: &Pruned) -> String {
    if pruned.removed.is_empty() {
        return String::new();
    }
    let line = |removed: &Removed| match removed {
        Removed::Untagged(name) => format!("untagged: {name}\n"),
        Removed::Deleted(id) => format!("deleted: {id}\n"),
    };
    let lines: String = pruned.removed.iter().map(line).collect();
    format!("Deleted Images:\n{lines}\n")
}
