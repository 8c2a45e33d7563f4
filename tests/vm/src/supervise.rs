//! The process between the caller and the machine, that leaves nothing behind.
//!
//! User-mode Linux runs each process of its guest as a process of the host,
//! traced by the kernel's. Killing only the kernel's leaves the others, and
//! one that was computing goes on computing for ever. So all of them share a
//! process group that is killed as one, by a process that does nothing else
//! and that notices when its own parent is gone: the pipe on its standard
//! input ends then, even if the parent was killed with SIGKILL.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process_group, pidfd_open, set_child_subreaper, wait,
};

use crate::host::Tools;

/// The supervisor's exit status when the deadline passed, as timeout(1)'s.
pub(crate) const STATUS_TIMED_OUT: i32 = 124;
/// When the kernel's program could not be started; why is on standard error.
pub(crate) const STATUS_NOT_STARTED: i32 = 125;
/// When the parent went away.
const STATUS_ABANDONED: u8 = 126;

/// The command that supervises `kernel line…`. The caller has to keep its standard input open.
pub(crate) fn command(tools: &Tools, deadline: Duration, line: &[OsString]) -> Command {
    let mut command = Command::new(&tools.helper);
    command
        .args(["supervise", &deadline.as_millis().to_string()])
        .arg(&tools.kernel)
        .args(line)
        .env_clear()
        .env("TMPDIR", tools.memory_directory.as_os_str())
        // Out of reach of a signal to the caller's group: it has to survive that to clean up.
        .process_group(0);
    command
}

/// Starts `arguments` (milliseconds, program, its arguments), waits for the first of: its end,
/// the deadline, the end of standard input. Returns the exit status for this process.
#[must_use]
pub fn main(arguments: &[OsString]) -> u8 {
    match supervise(arguments) {
        Ok(status) => status,
        Err(error) => {
            // With standard error gone there's nobody left to tell.
            writeln!(io::stderr(), "sapwood-vm: {error}").ok();
            STATUS_NOT_STARTED as u8
        }
    }
}

fn supervise(arguments: &[OsString]) -> Result<u8, String> {
    let [millis, kernel, line @ ..] = arguments else {
        return Err("supervise: MILLISECONDS PROGRAM ARGUMENTS are missing".to_owned());
    };
    let millis: u64 = millis
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| "supervise: the deadline is not a number of milliseconds".to_owned())?;
    let deadline = Instant::now() + Duration::from_millis(millis);
    // Guest processes whose tracer is gone become our children, so that we can collect them.
    set_child_subreaper(Some(rustix::process::getpid())).map_err(|error| error.to_string())?;
    let child = Command::new(kernel)
        .args(line)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("start {}: {error}", kernel.display()))?;
    let why = watch(&child, deadline);
    let status = end_all(Pid::from_child(&child));
    match why {
        Ok(Stopped::Ended) => Ok(status),
        Ok(Stopped::TimedOut) => Ok(STATUS_TIMED_OUT as u8),
        Ok(Stopped::Abandoned) => Ok(STATUS_ABANDONED),
        Err(error) => Err(format!("watch {}: {error}", kernel.display())),
    }
}

enum Stopped {
    Ended,
    TimedOut,
    Abandoned,
}

fn watch(child: &Child, deadline: Instant) -> rustix::io::Result<Stopped> {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let stdin = rustix::stdio::stdin();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Stopped::TimedOut);
        }
        // Nothing is ever written to standard input: ready means ended.
        let mut fds = [PollFd::new(&process, PollFlags::IN), PollFd::new(&stdin, PollFlags::IN)];
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        let [process, stdin] = &fds;
        if !process.revents().is_empty() {
            return Ok(Stopped::Ended);
        }
        if !stdin.revents().is_empty() {
            return Ok(Stopped::Abandoned);
        }
    }
}

/// Kills the whole group and collects every member. Returns the leader's exit status, 128 + n
/// for signal n.
fn end_all(leader: Pid) -> u8 {
    let mut status = u8::MAX;
    // The leader isn't collected yet, so its group can't be anybody else's.
    // ESRCH would mean that nobody is left to kill.
    kill_process_group(leader, Signal::KILL).ok();
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, how))) if pid == leader => {
                let how = std::process::ExitStatus::from_raw(how.as_raw());
                let signal = how.signal().map(|signal| 128 + signal);
                status =
                    how.code().or(signal).and_then(|n| u8::try_from(n).ok()).unwrap_or(u8::MAX);
            }
            Ok(_) | Err(Errno::INTR) => {}
            // ECHILD: all are collected.
            Err(_) => return status,
        }
    }
}
