//! The command `sapwood`: runs containers, and looks after their storage.

// A binary offers nothing to other crates: `pub` says what a module offers to
// its neighbours.
#![allow(unreachable_pub)]

mod app;
mod container;
mod failure;
mod image;
mod info;
mod log;
mod open;
mod output;
mod settings;
mod shell;
mod storage;
mod time;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::app::Cli;

fn main() -> ExitCode {
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
