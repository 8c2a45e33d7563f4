//! The command `sapwood` as a function, for the program of that name and for
//! one that is cut off on purpose (tests/crash).

// Only `main` is offered to other crates: `pub` says what a module offers to
// its neighbours.
#![allow(unreachable_pub)]

mod additional;
mod app;
mod changes;
mod confirm;
mod container;
mod destination;
mod failure;
mod image;
mod info;
mod log;
mod open;
mod output;
mod prune_filter;
mod settings;
mod shell;
mod storage;
mod system;
mod time;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::app::Cli;

/// Does what this process's command line says, and gives its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let done = if container::is_monitor() {
        container::monitor().map(|()| ExitCode::SUCCESS)
    } else {
        match Cli::try_parse() {
            Ok(cli) => app::run(cli),
            Err(e) => return usage::answer(&e),
        }
    };
    done.unwrap_or_else(|failure| log::failed(&failure))
}
