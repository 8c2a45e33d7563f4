//! The command `sapwood`: runs containers, and looks after their storage.

mod app;
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

use std::process::ExitCode;

use clap::Parser;

use crate::app::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match app::run(cli) {
        Ok(code) => code,
        Err(failure) => log::failed(&failure),
    }
}
