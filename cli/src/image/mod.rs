//! The commands on images.

mod history;
mod import;
mod import_from;
mod inspect;
mod list;
mod load;
mod progress;
mod prune;
mod remove;
mod save;
mod tag;

use std::fs::File;
use std::io::{IsTerminal, stdin};
use std::os::fd::AsFd;
use std::path::Path;

use clap::Subcommand;
use sapwood_engine::Engine;

use crate::failure::Failure;

pub use prune::{remove as prune_all, told as told_pruned};

/// Commands on images, each with its options.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Load images from an archive or an OCI image layout
    Load(load::LoadArgs),
    /// Write images to an archive, or an OCI image layout
    Save(save::SaveArgs),
    /// Make an image from an archive of a root file system
    Import(import::ImportArgs),
    /// List images
    Images(list::ImagesArgs),
    /// Show everything that is known of images, as JSON
    Inspect(inspect::InspectArgs),
    /// Show how an image was made
    History(history::HistoryArgs),
    /// Give an image a further name
    Tag(tag::TagArgs),
    /// Remove images, or some of their names
    Rmi(remove::RmiArgs),
}

/// `sapwood image …`, as docker(1) groups them.
#[derive(Debug, Subcommand)]
pub enum GroupedCommand {
    /// List images
    #[command(visible_alias = "list")]
    Ls(list::ImagesArgs),
    /// Remove images, or some of their names
    #[command(alias = "remove")]
    Rm(remove::RmiArgs),
    /// Load images from an archive or an OCI image layout
    Load(load::LoadArgs),
    /// Write images to an archive, or an OCI image layout
    Save(save::SaveArgs),
    /// Make an image from an archive of a root file system
    Import(import::ImportArgs),
    /// Take images over from a store of Docker's or Podman's
    ImportFrom(import_from::ImportFromArgs),
    /// Show everything that is known of images, as JSON
    Inspect(inspect::InspectArgs),
    /// Show how an image was made
    History(history::HistoryArgs),
    /// Give an image a further name
    Tag(tag::TagArgs),
    /// Remove images that nobody needs
    Prune(prune::PruneArgs),
}

/// Runs one of the grouped.
///
/// # Errors
/// The one line that a person should see.
pub fn grouped(engine: &Engine, run_root: &Path, command: &GroupedCommand) -> Result<(), Failure> {
    match command {
        GroupedCommand::Ls(args) => list::images(engine, args),
        GroupedCommand::Rm(args) => remove::rmi(engine, run_root, args),
        GroupedCommand::Load(args) => load::load(engine, args),
        GroupedCommand::Save(args) => save::save(engine, args),
        GroupedCommand::Import(args) => import::import(engine, args),
        GroupedCommand::ImportFrom(args) => import_from::import_from(engine, args),
        GroupedCommand::Inspect(args) => inspect::inspect(engine, args),
        GroupedCommand::History(args) => history::history(engine, args),
        GroupedCommand::Tag(args) => tag::tag(engine, args),
        GroupedCommand::Prune(args) => prune::prune(engine, args),
    }
}

/// Runs one of them.
///
/// # Errors
/// The one line that a person should see.
pub fn run(engine: &Engine, run_root: &Path, command: &ImageCommand) -> Result<(), Failure> {
    match command {
        ImageCommand::Load(args) => load::load(engine, args),
        ImageCommand::Save(args) => save::save(engine, args),
        ImageCommand::Import(args) => import::import(engine, args),
        ImageCommand::Images(args) => list::images(engine, args),
        ImageCommand::Inspect(args) => inspect::inspect(engine, args),
        ImageCommand::History(args) => history::history(engine, args),
        ImageCommand::Tag(args) => tag::tag(engine, args),
        ImageCommand::Rmi(args) => remove::rmi(engine, run_root, args),
    }
}

/// Standard input as a file, which another program must be writing to.
fn standard_input(instead: &str) -> Result<File, Failure> {
    let input = stdin();
    if input.is_terminal() {
        return Err(Failure::new(format!("there is no archive on standard input; {instead}")));
    }
    let fd = input.as_fd().try_clone_to_owned();
    fd.map(File::from).map_err(|e| Failure::new(format!("can't read standard input: {e}")))
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|e| Failure::new(format!("can't open {}: {e}", path.display())))
}
