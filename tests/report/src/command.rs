//! Starting cargo and the like: announced, timed, without progress bars.

use std::io::{self, Write};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use crate::Request;
use crate::error::Error;

/// `cargo WORDS`, in the workspace, with this machine's lock file and nothing newer.
pub(crate) fn cargo(request: &Request, words: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(words)
        .current_dir(&request.root)
        .env("CARGO_TERM_PROGRESS_WHEN", "never")
        .stdin(Stdio::null());
    command
}

/// Adds `--package NAME` for each package that was asked for, or `--workspace`.
pub(crate) fn packages(request: &Request, command: &mut Command) {
    if request.packages.is_empty() {
        command.arg("--workspace");
    }
    for package in &request.packages {
        command.args(["--package", package]);
    }
}

/// Runs a command whose output goes to the terminal.
pub(crate) fn show(name: &str, command: &mut Command) -> Result<(ExitStatus, Duration), Error> {
    announce(name)?;
    let started = Instant::now();
    let status = command.status().map_err(Error::during(name))?;
    Ok((status, started.elapsed()))
}

/// Runs a command whose standard output is to be read. The rest goes to the terminal.
pub(crate) fn read(name: &str, command: &mut Command) -> Result<(Output, Duration), Error> {
    announce(name)?;
    let started = Instant::now();
    let output = command.stderr(Stdio::inherit()).output().map_err(Error::during(name))?;
    Ok((output, started.elapsed()))
}

/// What is about to run, so that a log shows where the time went.
pub(crate) fn announce(name: &str) -> Result<(), Error> {
    say(&format!("\n== {name}\n"))
}

pub(crate) fn say(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::during("print"))
}
