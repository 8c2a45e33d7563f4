//! What goes to standard error: the log, and the one line of a failure.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use tracing::Level;

use crate::failure::Failure;
use crate::settings::LogFormat;

/// Starts logging from `level` on.
pub fn start(level: Level, format: LogFormat) {
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log.without_time().init(),
    }
}

/// Prints why a command failed and gives its exit status.
pub fn failed(failure: &Failure) -> ExitCode {
    // With one write, or the lines of several processes would mix.
    let line = format!("sapwood: {failure}\n");
    // If standard error is closed there is nobody left to tell; the status
    // still says it.
    drop(std::io::stderr().write_all(line.as_bytes()));
    ExitCode::from(failure.status)
}
