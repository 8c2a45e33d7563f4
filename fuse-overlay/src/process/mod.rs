//! What a program does around a mount: it goes into the background, answers
//! signals, and says in one line what went wrong.
//!
//! Podman and mount(8) wait for the program that they start, and then use the
//! mount; Podman reads standard error until everybody has closed it. So the
//! original process ends when the mount is there, and by then the daemon has let
//! go of standard error.
//!
//! Directories may be given relative to the working directory, so the daemon
//! stays in it until the mount is there.

mod daemon;
mod error;
mod limits;
mod log;
mod ready;
mod say;
mod stop;
mod unmount;

use std::error::Error;
use std::process::ExitCode;

pub use error::ProcessError;
pub use say::say;

use crate::options::Options;
use daemon::Side;
use ready::Readiness;

/// The mount is gone, or is there and somebody else serves it.
pub const DONE: u8 = 0;
/// There is no mount, or it ended otherwise than by being unmounted.
pub const FAILED: u8 = 1;
/// The command line can't be understood.
pub const USAGE: u8 = 2;

/// What is to be called when the mount is there.
pub type Ready = Box<dyn FnOnce() + Send>;

/// Mounts, in the background unless the options say otherwise, and gives the
/// status to exit with.
///
/// `mount` returns when the mount has gone. It calls its second argument once,
/// when the mount is there and every directory has been opened: from then on
/// the working directory is another.
///
/// To be called from `main`, while the process has one thread. In the background
/// this returns twice, in two processes.
pub fn run<E: Error>(
    options: &Options,
    mount: impl FnOnce(&Options, Ready) -> Result<(), E>,
) -> ExitCode {
    for (option, reason) in &options.without_effect {
        say(&format!("{option} has no effect here: {reason}"));
    }
    let status = match start(options) {
        Ok(Side::Original(daemon)) => daemon.wait(),
        Ok(Side::Server(readiness)) => serve(options, readiness, mount),
        Err(error) => failed(&error),
    };
    ExitCode::from(status)
}

fn start(options: &Options) -> Result<Side, ProcessError> {
    // Before anything goes into the background, for who started it to see.
    log::start(options.debug)?;
    if options.foreground { Ok(Side::Server(Readiness::foreground())) } else { daemon::start() }
}

fn serve<E: Error>(
    options: &Options,
    readiness: Readiness,
    mount: impl FnOnce(&Options, Ready) -> Result<(), E>,
) -> u8 {
    let answer = readiness.answer();
    let served = prepare(options, readiness)
        .and_then(|ready| {
            mount(options, ready).map_err(|error| ProcessError::Mount(say::chain(&error)))
        })
        .and_then(|()| answer.outcome());
    let status = served.unwrap_or_else(|error| failed(&error));
    // Nobody waits for this any more if the mount has been there.
    answer.ended(status);
    status
}

/// All that has to be so before the mount.
fn prepare(options: &Options, readiness: Readiness) -> Result<Ready, ProcessError> {
    limits::raise()?;
    let target = unmount::Target::find(&options.mount.mountpoint)?;
    let stop = stop::Stop::on_signals()?;
    Ok(Box::new(move || readiness.mounted(target, &stop)))
}

fn failed(error: &ProcessError) -> u8 {
    say(&say::chain(error));
    FAILED
}
