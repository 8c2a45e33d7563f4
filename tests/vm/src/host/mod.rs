//! The host's side of a run: prepare a directory, boot, listen, judge.

mod kernel_line;
mod listen;
mod prepare;
mod tools;
mod verdict;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use crate::error::Error;
use crate::job::{Event, Mode};
use crate::machine::Machine;
use crate::report::Report;
use crate::supervise;

pub(crate) use self::tools::{Tools, find_program};

/// Looks for what `machine` needs.
pub(crate) fn check(machine: &Machine) -> Result<(), Error> {
    tools::find(machine).map(|_| ())
}

/// Runs `program` in `machine`, from boot to power-off.
pub(crate) fn run(
    machine: &Machine,
    program: &Path,
    arguments: &[OsString],
    mode: Mode,
) -> Result<(Report, Vec<Event>), Error> {
    let tools = tools::find(machine)?;
    let started = Instant::now();
    let prepared = prepare::prepare(machine, &tools, program, arguments, mode)?;
    let line = kernel_line::kernel_line(machine, &tools, &prepared)?;
    let mut supervisor = supervise::command(&tools, machine.deadline, &line)
        .current_dir(prepared.directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io("start", &tools.helper))?;
    let status = attend(machine, &mut supervisor, &prepared.log, &tools.helper)?;
    verdict::judge(machine, prepared, status, started.elapsed())
}

/// Copies the machine's output until nobody is left to write any, then collects the supervisor.
fn attend(
    machine: &Machine,
    supervisor: &mut Child,
    log: &Path,
    helper: &Path,
) -> Result<ExitStatus, Error> {
    // While this end of the pipe is open, the supervisor knows that somebody waits.
    let alive = supervisor.stdin.take();
    let heard = listen::listen(machine, supervisor, log);
    if heard.is_err() {
        // Nobody drains the pipes any more: the machine would block on them until its deadline.
        drop(alive);
    }
    let status = supervisor.wait().map_err(Error::io("wait for", helper))?;
    heard.map(|()| status)
}

/// Runs a host command for its effect. Its own words are the error.
pub(crate) fn run_tool(command: &mut Command, tool: &Path) -> Result<(), Error> {
    let output = command.stdin(Stdio::null()).output().map_err(Error::io("start", tool))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(Error::Setup(format!("{} {}: {}", tool.display(), output.status, words.trim())))
}
