//! Into the background, and the original process that waits for the mount.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, WaitOptions, setsid, waitpid};
use sapwood_sys::daemon::{Forked, fork};

use super::ready::Readiness;
use super::{FAILED, ProcessError, say};

/// Which of the two processes this is.
pub(super) enum Side {
    /// The one that was started; it waits.
    Original(Daemon),
    /// The one that serves the mount: the daemon, or the only one with `-f`.
    Server(Readiness),
}

/// The daemon, seen from the process that was started.
#[derive(Debug)]
pub(super) struct Daemon {
    pid: Pid,
    answer: File,
}

/// Splits the process in two. The daemon has a session of its own, so that the
/// terminal's signals don't reach it, and no standard input and output; it keeps
/// standard error until the mount is there.
pub(super) fn start() -> Result<Side, ProcessError> {
    let setup = ProcessError::setup;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(setup("open /dev/null"))?;
    let (answer, asked) =
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(setup("make a pipe"))?;
    match fork().map_err(ProcessError::Fork)? {
        // This process's copy of `asked` goes with this function: the pipe must
        // end when the daemon does.
        Forked::Parent(pid) => Ok(Side::Original(Daemon { pid, answer: answer.into() })),
        Forked::Child => {
            drop(answer);
            detach(&null)?;
            Ok(Side::Server(Readiness::background(asked, null)))
        }
    }
}

fn detach(null: &OwnedFd) -> Result<(), ProcessError> {
    let setup = ProcessError::setup;
    setsid().map_err(setup("begin a session"))?;
    rustix::stdio::dup2_stdin(null).map_err(setup("let go of standard input"))?;
    rustix::stdio::dup2_stdout(null).map_err(setup("let go of standard output"))
}

impl Daemon {
    /// Waits until the mount is there or won't come, and gives the status to
    /// exit with. What went wrong the daemon has said, unless it died of it.
    pub(super) fn wait(mut self) -> u8 {
        let mut status = [FAILED];
        match self.answer.read_exact(&mut status) {
            Ok(()) => status[0],
            Err(_) => {
                say(&format!("the file system ended before it was mounted ({})", self.end()));
                FAILED
            }
        }
    }

    fn end(&self) -> String {
        match waitpid(Some(self.pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => match (status.terminating_signal(), status.exit_status()) {
                (Some(signal), _) => format!("signal {signal}"),
                (_, Some(status)) => format!("exit status {status}"),
                _ => "no status".to_owned(),
            },
            Ok(None) => "no status".to_owned(),
            Err(errno) => format!("its status can't be asked: {errno}"),
        }
    }
}
