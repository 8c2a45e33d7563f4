//! `sapwood system …`: the whole of it.

mod df;
mod prune;

use std::path::Path;

use clap::Subcommand;
use sapwood_engine::Engine;

use crate::failure::Failure;

/// Show and give back disk space.
#[derive(Debug, Subcommand)]
pub enum SystemCommand {
    /// Show what takes how much space
    Df(df::DfArgs),
    /// Remove ended containers and images that nobody needs
    Prune(prune::PruneArgs),
}

/// Runs one of them.
///
/// # Errors
/// The one line that a person should see.
pub fn run(engine: &Engine, runroot: &Path, command: &SystemCommand) -> Result<(), Failure> {
    match command {
        SystemCommand::Df(args) => df::df(engine, runroot, args),
        SystemCommand::Prune(args) => prune::prune(engine, runroot, args),
    }
}
