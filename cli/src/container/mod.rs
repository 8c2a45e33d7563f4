//! Commands on containers: `run`, `ps`, `rm`, `container …`, and the hidden one by which this
//! program becomes a container's monitor.

mod commit;
mod prune;
mod ps;
mod rm;
mod run;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use sapwood_engine::Engine;
use sapwood_engine::container::{Containers, Error, MONITOR_COMMAND, Monitor, monitor};

use crate::failure::Failure;

pub use commit::{ChangedCommand, changed};
pub use prune::{remove as prune_all, told as told_pruned};
pub use ps::{PsArgs, ps};
pub use rm::{RmArgs, rm};
pub use run::{RunArgs, run};

/// `sapwood container …`, as docker(1) groups them.
#[derive(Debug, Subcommand)]
pub enum ContainerCommand {
    /// Run a command in a new container
    Run(Box<RunArgs>),
    /// List containers
    #[command(visible_aliases = ["ps", "list"])]
    Ls(PsArgs),
    /// Remove containers
    #[command(alias = "remove")]
    Rm(RmArgs),
    /// Remove containers that have ended
    Prune(prune::PruneArgs),
    #[command(flatten)]
    Changed(ChangedCommand),
}

/// Runs one of them, but `run`, whose failures have a status of their own.
///
/// # Errors
/// The one line that a person should see.
pub fn grouped(
    engine: &Engine,
    runroot: &Path,
    command: ContainerCommand,
) -> Result<ExitCode, Failure> {
    match command {
        ContainerCommand::Run(args) => return run(engine, runroot, *args, start_monitor()?),
        ContainerCommand::Ls(args) => ps(engine, runroot, &args)?,
        ContainerCommand::Rm(args) => rm(engine, runroot, &args)?,
        ContainerCommand::Prune(args) => prune::prune(engine, runroot, &args)?,
        ContainerCommand::Changed(command) => changed(engine, runroot, &command)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether this process was started to be a container's monitor. Asked before
/// anything else: a monitor needs none of what the other commands set up.
#[must_use]
pub fn is_monitor() -> bool {
    std::env::args_os().nth(1).as_deref() == Some(OsStr::new(MONITOR_COMMAND))
}

/// A monitor's whole life.
///
/// # Errors
/// Somebody typed its hidden name.
pub fn monitor() -> Result<(), Failure> {
    monitor::main()
        .map_err(|e| Failure::new(format!("'{MONITOR_COMMAND}' is for `sapwood run` itself: {e}")))
}

/// Starts the monitor of a container that is about to be run.
///
/// # Errors
/// There is no room for another process.
pub fn start_monitor() -> Result<Monitor, Failure> {
    Monitor::start().map_err(|e| failure(&e))
}

fn open<'a>(engine: &'a Engine, runroot: &Path) -> Result<Containers<'a>, Failure> {
    Containers::open(engine, runroot).map_err(|e| failure(&e))
}

fn failure(error: &Error) -> Failure {
    Failure::new(error.to_string())
}
