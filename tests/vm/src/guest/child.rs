//! A child of init: started, awaited beside all the orphans, ended at a deadline.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid as Everyone;
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, wait};

use crate::report::Ended;

/// Runs `command` and collects every process that ends meanwhile. At the deadline, and after its
/// end, everything that it started is killed as well.
pub(crate) fn run(command: &mut Command, deadline: Option<Duration>) -> io::Result<Ended> {
    let child = Pid::from_child(&command.process_group(0).spawn()?);
    let Some(deadline) = deadline else { return Ok(ended(await_and_reap(child)?)) };
    let (done, clock) = channel::<()>();
    let timer = thread::spawn(move || {
        let late = clock.recv_timeout(deadline) == Err(RecvTimeoutError::Timeout);
        if late {
            kill_everyone();
        }
        late
    });
    let status = await_and_reap(child)?;
    drop(done);
    let late = timer.join().map_err(|_| io::Error::other("the timer panicked"))?;
    Ok(if late { Ended::TimedOut(deadline) } else { ended(status) })
}

/// Kills and collects what a test left running, so that the next one starts alone.
pub(crate) fn clear_up() -> io::Result<()> {
    kill_everyone();
    loop {
        match wait(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// For process 1, -1 is every process but itself. ESRCH, the only error, says that there's none.
fn kill_everyone() {
    kill(Everyone::from_raw(-1), Signal::SIGKILL).ok();
}

fn await_and_reap(child: Pid) -> io::Result<ExitStatus> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => {
                return Ok(ExitStatus::from_raw(status.as_raw()));
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, Some(signal)) => Ended::Signaled(signal),
        // Not waited for with WUNTRACED or WCONTINUED: one of the two is there.
        (None, None) => Ended::InitDied(format!("strange wait status {status}")),
    }
}
