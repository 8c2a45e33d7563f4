//! From what the guest reported, how its processes ended and what its kernel said: the outcome.

use std::fs;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use crate::error::Error;
use crate::host::prepare::Prepared;
use crate::job::{EVENTS_FILE, Event, NOT_RUN_FILE};
use crate::machine::Machine;
use crate::report::{Ended, Report, read_log};
use crate::supervise::{STATUS_NOT_STARTED, STATUS_TIMED_OUT};

/// Ahead of the kernel's own words.
const PANIC: &str = "Kernel panic - not syncing: ";
/// Those words, if pid 1 is gone.
const INIT_GONE: &str = "Attempted to kill init!";

/// Puts the report together.
pub(crate) fn judge(
    machine: &Machine,
    prepared: Prepared,
    status: ExitStatus,
    duration: Duration,
) -> Result<(Report, Vec<Event>), Error> {
    let root = prepared.directory.path();
    let events = read_events(&root.join(EVENTS_FILE))?;
    let not_run_file = root.join(NOT_RUN_FILE);
    let not_run = fs::read_to_string(&not_run_file).map_err(Error::io("read", &not_run_file))?;
    let ended = match events.last() {
        Some(Event::SetupFailed(what)) => return Err(Error::Setup(what.clone())),
        Some(Event::Finished(ended)) if status.success() => ended.clone(),
        _ => how_it_broke(status, machine.deadline, &read_log(&prepared.log))?,
    };
    let report = Report {
        ended,
        duration,
        output: prepared.output,
        not_run: not_run.lines().map(str::to_owned).collect(),
        log: prepared.log,
        directory: prepared.directory,
    };
    Ok((report, events))
}

/// A line that the guest's end cut short is no event.
fn read_events(path: &Path) -> Result<Vec<Event>, Error> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    Ok(text.lines().map_while(|line| serde_json::from_str(line).ok()).collect())
}

/// For a machine that did not power itself off after the program.
fn how_it_broke(status: ExitStatus, deadline: Duration, log: &str) -> Result<Ended, Error> {
    // Only the kernel's last words count: a program may print those of another.
    let panic = log.lines().rev().take(60).find_map(|line| line.split_once(PANIC));
    if let Some((_, words)) = panic {
        let words = words.trim().to_owned();
        let init = words.starts_with(INIT_GONE) || words.contains("No working init");
        return Ok(if init { Ended::InitDied(words) } else { Ended::Panicked(words) });
    }
    match status.code() {
        Some(STATUS_TIMED_OUT) => Ok(Ended::TimedOut(deadline)),
        Some(STATUS_NOT_STARTED) => Err(Error::Setup(log.trim().to_owned())),
        _ => Ok(Ended::InitDied(format!("the machine did not power itself off: {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn broke(code: i32, log: &str) -> Ended {
        how_it_broke(ExitStatus::from_raw(code << 8), Duration::from_secs(7), log).unwrap()
    }

    #[test]
    fn a_panic_is_told_from_the_end_of_init() {
        let ended = broke(134, "x\n[ 1.0] Kernel panic - not syncing: sysrq triggered crash\ny\n");
        assert_eq!(ended, Ended::Panicked("sysrq triggered crash".to_owned()));
        let ended = broke(134, "Kernel panic - not syncing: Attempted to kill init! exitcode=0x9");
        assert!(matches!(ended, Ended::InitDied(_)), "{ended}");
        let ended = broke(1, "");
        assert!(matches!(ended, Ended::InitDied(_)), "{ended}");
    }

    #[test]
    fn a_deadline_is_told_from_a_panic_that_a_program_printed_long_ago() {
        let log = format!("Kernel panic - not syncing: not mine\n{}", "more\n".repeat(100));
        assert_eq!(broke(STATUS_TIMED_OUT, &log), Ended::TimedOut(Duration::from_secs(7)));
    }
}
