//! `sapwood storage …`: looking at what the driver keeps, node by node, and
//! after the store as a whole.

mod check;
mod diff;
mod gc;
mod list;
mod mount;
mod repair;
mod select;
mod sites;
mod status;
mod tree;

use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;
use crate::open::Storage;
use crate::settings::Settings;

/// Look at and into what the storage driver keeps.
#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// Show what the driver found out about this host, and what it does here
    Status(status::StatusArgs),
    /// List drafts, views and layers
    Ls(list::LsArgs),
    /// Show layers and what stands on them as a tree (↳ an only child, in its parent's column)
    Tree(tree::TreeArgs),
    /// Mount a draft, or a view of a layer, and leave it mounted
    Mount(mount::MountArgs),
    /// Unmount what `storage mount` mounted
    Unmount(mount::UnmountArgs),
    /// Write a node's difference from its parent as a layer archive (tar)
    Diff(diff::DiffArgs),
    /// List the paths at which a node differs from its parent
    Changes(diff::ChangesArgs),
    /// Show the space that nodes hold by themselves
    Usage(list::UsageArgs),
    /// Compare records, driver and disk, and tell where they differ
    Check(check::CheckArgs),
    /// Mend what a check finds
    Repair(repair::RepairArgs),
    /// Take away what nothing needs
    Gc(gc::GcArgs),
}

/// Runs one of them.
///
/// # Errors
/// What the driver says, or output that can't be written.
pub fn run(settings: &Settings, command: &StorageCommand) -> Result<ExitCode, Failure> {
    match command {
        StorageCommand::Check(args) => check::check(settings, args),
        StorageCommand::Repair(args) => repair::repair(settings, args),
        StorageCommand::Gc(args) => gc::gc(settings, args).map(|()| ExitCode::SUCCESS),
        command => on_nodes(&Storage::open(settings)?, command).map(|()| ExitCode::SUCCESS),
    }
}

fn on_nodes(storage: &Storage, command: &StorageCommand) -> Result<(), Failure> {
    match command {
        StorageCommand::Status(args) => status::status(storage, args),
        StorageCommand::Ls(args) => list::ls(storage, args),
        StorageCommand::Tree(args) => tree::tree(storage, args),
        StorageCommand::Mount(args) => mount::mount(storage, args),
        StorageCommand::Unmount(args) => mount::unmount(storage, args),
        StorageCommand::Diff(args) => diff::diff(storage, args),
        StorageCommand::Changes(args) => diff::changes(storage, args),
        StorageCommand::Usage(args) => list::usage(storage, args),
        StorageCommand::Check(_) | StorageCommand::Repair(_) | StorageCommand::Gc(_) => Ok(()),
    }
}
