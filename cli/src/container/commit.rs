//! `sapwood commit`, `diff` and `export`: what a container has changed, as an
//! image, a list, and within its whole tree.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Subcommand};
use sapwood_engine::Engine;
use sapwood_engine::container::Commit;
use sapwood_engine::image::{Change, Name, Silent};

use crate::changes;
use crate::destination;
use crate::failure::Failure;
use crate::output::{Format, print};

/// Commands on what a container has changed, each with its options.
#[derive(Debug, Subcommand)]
pub enum ChangedCommand {
    /// Make an image of what a container has changed
    Commit(CommitArgs),
    /// List what a container has changed
    Diff(DiffArgs),
    /// Write a container's root file system as a tar archive
    Export(ExportArgs),
}

/// Runs one of them.
///
/// # Errors
/// The container isn't there, runs and may not, or can't be read.
pub fn changed(engine: &Engine, runroot: &Path, command: &ChangedCommand) -> Result<(), Failure> {
    match command {
        ChangedCommand::Commit(args) => commit(engine, runroot, args),
        ChangedCommand::Diff(args) => diff(engine, runroot, args),
        ChangedCommand::Export(args) => export(engine, runroot, args),
    }
}

/// Options of `commit`.
#[derive(Debug, Args)]
#[command(after_help = "\
The image is run as the container was, but for the instructions.

Examples:
  sapwood commit -m 'with curl' -a me web mine:1
  sapwood commit -c 'CMD [\"/bin/serve\"]' -c 'ENV A=1' web mine:2")]
pub struct CommitArgs {
    /// Who made it
    #[arg(long, short, value_name = "TEXT")]
    author: Option<String>,
    /// Remark for the image's history
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
    /// Instruction of a Dockerfile to apply, repeatable: CMD, ENTRYPOINT, ENV,
    /// EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR
    #[arg(long, short, value_name = "INSTRUCTION")]
    change: Vec<Change>,
    /// Pause a running container meanwhile; `--pause=false` lets it run, and what it
    /// writes may or may not be in the image
    #[arg(
        long, short, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_value_t = true, default_missing_value = "true", action = ArgAction::Set
    )]
    pause: bool,
    /// Name, id, or beginning of an id
    container: String,
    /// Name of the new image
    #[arg(value_name = "NAME[:TAG]")]
    name: Option<String>,
}

/// Options of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Name, id, or beginning of an id
    container: String,
    /// How to print: `A path`, `C path`, `D path`, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Options of `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is mounted in the container (volumes, /proc, /sys, /dev) isn't part of it.

Examples:
  sapwood export -o root.tar web
  sapwood export web | tar -t")]
pub struct ExportArgs {
    /// File [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name, id, or beginning of an id
    container: String,
}

/// Makes an image of a container and prints its id.
fn commit(engine: &Engine, runroot: &Path, args: &CommitArgs) -> Result<(), Failure> {
    let commit = Commit {
        author: args.author.clone(),
        message: args.message.clone(),
        changes: args.change.clone(),
        pause: args.pause,
        tag: args.name.as_deref().map(Name::parse).transpose()?,
    };
    let containers = super::open(engine, runroot)?;
    let id = containers.commit(&args.container, &commit, &Silent);
    print(&format!("{}\n", id.map_err(|e| super::failure(&e))?))
}

/// Lists what a container has changed.
fn diff(engine: &Engine, runroot: &Path, args: &DiffArgs) -> Result<(), Failure> {
    let containers = super::open(engine, runroot)?;
    changes::print(args.format, changes::Root::Hidden, |sink| {
        containers.changes(&args.container, sink).map_err(|e| super::failure(&e))
    })
}

/// Writes a container's tree.
fn export(engine: &Engine, runroot: &Path, args: &ExportArgs) -> Result<(), Failure> {
    let containers = super::open(engine, runroot)?;
    destination::write(args.output.as_deref(), |out, _| {
        containers.export(&args.container, out).map_err(|e| super::failure(&e))
    })
}
