//! Commands on containers: `run`, `ps`, `rm`, and the hidden one by which this
//! program becomes a container's monitor.

mod ps;
mod rm;
mod run;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use sapwood_engine::Engine;
use sapwood_engine::container::{Containers, Error, MONITOR_COMMAND, monitor};

use crate::failure::{ENGINE_FAILED, Failure};

pub use ps::{PsArgs, ps};
pub use rm::{RmArgs, rm};
pub use run::{RunArgs, run};

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

/// Says what is wrong with the command line, and gives the exit status: that of
/// an engine that failed if it was to run a container, whose own status could
/// be any other. Help and version are no failure.
#[must_use]
pub fn bad_usage(error: &clap::Error) -> ExitCode {
    // If the stream is closed there is nobody left to tell.
    drop(error.print());
    let status = match error.exit_code() {
        0 => 0,
        _ if names_run(std::env::args_os().skip(1)) => ENGINE_FAILED,
        status => u8::try_from(status).unwrap_or(2),
    };
    ExitCode::from(status)
}

/// Whether `run` is among the words: no other command has use for that word
/// but as a name.
fn names_run(mut words: impl Iterator<Item = OsString>) -> bool {
    words.any(|w| w == "run")
}

fn open<'a>(engine: &'a Engine, runroot: &Path) -> Result<Containers<'a>, Failure> {
    Containers::open(engine, runroot).map_err(|e| failure(&e))
}

fn failure(error: &Error) -> Failure {
    Failure::new(error.to_string())
}
