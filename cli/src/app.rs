//! Every command, and which code it leads to.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sapwood_engine::Engine;

use crate::failure::{ENGINE_FAILED, Failure};
use crate::open::Storage;
use crate::settings::{GlobalArgs, Settings};
use crate::{container, image, info, log, shell, storage, system};

/// Run containers, and look after their storage.
///
/// Images come in with `load` and `import`, and from Docker's or Podman's own
/// store with `image import-from`; `run` starts a container from one.
/// `--storage-driver` says what keeps the layers; without it, the driver that
/// is in use here, or else the best that works. `sapwood info` shows which and
/// why.
#[derive(Debug, Parser)]
#[command(name = "sapwood", version, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  sapwood load -i busybox.tar            bring in an image
  sapwood run --rm -it busybox sh        a shell in a container
  sapwood --storage-driver vfs info      what another driver would do
  sapwood storage tree                   what the driver keeps")]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a command in a new container
    Run(Box<container::RunArgs>),
    /// List containers
    Ps(container::PsArgs),
    /// Remove containers
    Rm(container::RmArgs),
    #[command(flatten)]
    Changed(container::ChangedCommand),
    #[command(flatten)]
    Image(image::ImageCommand),
    /// Work on images, with docker's words
    #[command(name = "image", subcommand, arg_required_else_help = true)]
    Images(image::GroupedCommand),
    /// Work on containers, with docker's words
    #[command(subcommand, arg_required_else_help = true)]
    Container(container::ContainerCommand),
    /// Show and give back disk space
    #[command(subcommand, arg_required_else_help = true)]
    System(system::SystemCommand),
    /// Show this host, its drivers, and which one is used why
    Info(info::InfoArgs),
    /// Look at and into what the storage driver keeps
    #[command(subcommand, arg_required_else_help = true)]
    Storage(storage::StorageCommand),
    /// Print a completion script for a shell
    Completion(shell::CompletionArgs),
    /// Write the manual pages to a directory
    Man(shell::ManArgs),
}

/// Runs what was asked for.
///
/// # Errors
/// The one line that a person should see, with the exit status.
pub fn run(cli: Cli) -> Result<ExitCode, Failure> {
    log::start(cli.global.log_level, cli.global.log_format);
    match cli.command {
        Command::Run(args) => return run_container(&cli.global, *args),
        Command::Ps(args) => {
            let (engine, settings) = open(&cli.global)?;
            container::ps(&engine, &settings.runroot, &args)?;
        }
        Command::Rm(args) => {
            let (engine, settings) = open(&cli.global)?;
            container::rm(&engine, &settings.runroot, &args)?;
        }
        Command::Changed(command) => {
            let (engine, settings) = open(&cli.global)?;
            container::changed(&engine, &settings.runroot, &command)?;
        }
        Command::Completion(args) => shell::completion(&args)?,
        Command::Man(args) => shell::man(&args)?,
        Command::Image(command) => {
            let (engine, settings) = open(&cli.global)?;
            image::run(&engine, &settings.runroot, &command)?;
        }
        Command::Info(args) => info::info(&Settings::load(&cli.global)?, &args)?,
        Command::Images(command) => {
            let (engine, settings) = open(&cli.global)?;
            image::grouped(&engine, &settings.runroot, &command)?;
        }
        Command::Container(container::ContainerCommand::Run(args)) => {
            return run_container(&cli.global, *args);
        }
        Command::Container(command) => {
            let (engine, settings) = open(&cli.global)?;
            return container::grouped(&engine, &settings.runroot, command);
        }
        Command::System(command) => {
            let (engine, settings) = open(&cli.global)?;
            system::run(&engine, &settings.runroot, &command)?;
        }
        Command::Storage(command) => return storage::run(&Settings::load(&cli.global)?, &command),
    }
    Ok(ExitCode::SUCCESS)
}

fn open(args: &GlobalArgs) -> Result<(Engine, Settings), Failure> {
    let settings = Settings::load(args)?;
    let engine = Storage::open(&settings)?.engine()?.with_limits(settings.limits);
    Ok((engine, settings))
}

/// Whatever keeps a container from being run, its exit status says that it
/// wasn't the container's own.
fn run_container(global: &GlobalArgs, args: container::RunArgs) -> Result<ExitCode, Failure> {
    // Before anything else: it has to wait for the kernel.
    let monitor = container::start_monitor().map_err(|f| f.with_status(ENGINE_FAILED))?;
    let (engine, settings) = open(global).map_err(|f| f.with_status(ENGINE_FAILED))?;
    container::run(&engine, &settings.runroot, args, monitor)
}
