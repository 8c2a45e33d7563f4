//! Running other programs, quietly, and saying what they said when they fail.

use std::process::{Command, Stdio};

/// Runs `command` to its end.
///
/// # Errors
/// That it couldn't be started, or its status with the last line it printed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    output(command).map(drop)
}

/// Runs `command` to its end and gives its standard output.
///
/// # Errors
/// As [`run`].
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done =
        command.stdin(Stdio::null()).output().map_err(|e| format!("can't start {name}: {e}"))?;
    if done.status.success() {
        return String::from_utf8(done.stdout).map_err(|_| format!("{name} printed no text"));
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!("{name}: {}: {}", done.status, said.lines().last().unwrap_or("(nothing said)")))
}
