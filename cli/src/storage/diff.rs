//! `storage diff` and `storage changes`.

use std::path::PathBuf;

use clap::Args;

use super::select;
use crate::changes;
use crate::destination;
use crate::failure::Failure;
use crate::open::Storage;
use crate::output::Format;

/// Options of `storage diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    #[arg(help = select::NODE_HELP)]
    node: String,
    /// Write to FILE instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Options of `storage changes`.
#[derive(Debug, Args)]
pub struct ChangesArgs {
    #[arg(help = select::NODE_HELP)]
    node: String,
    /// How to print: `A path`, `C path`, `D path`, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Writes the layer archive.
pub fn diff(storage: &Storage, args: &DiffArgs) -> Result<(), Failure> {
    let node = select::node(&*storage.driver, &args.node)?;
    destination::write(args.output.as_deref(), |out, _| {
        storage.driver.diff(node.id.as_ref(), out)?;
        Ok(())
    })
}

/// Lists changed paths as they are found.
pub fn changes(storage: &Storage, args: &ChangesArgs) -> Result<(), Failure> {
    let node = select::node(&*storage.driver, &args.node)?;
    changes::print(args.format, changes::Root::Told, |sink| {
        Ok(storage.driver.changes(node.id.as_ref(), sink)?)
    })
}
