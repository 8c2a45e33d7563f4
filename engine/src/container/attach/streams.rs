//! The pipes between a container without a terminal and its caller.
//!
//! The container never gets the caller's own descriptors: it could use a
//! terminal among them to type into the caller's shell, and a user other than
//! 0 couldn't open `/dev/stdout`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Gid, Uid};

use super::pump::Pump;
use crate::container::error::{Error, Result};

/// Both sides.
#[derive(Debug)]
pub(in crate::container) struct Pipes {
    /// For the container: standard input, output, error.
    pub(in crate::container) container: [OwnedFd; 3],
    /// For the engine.
    pub(in crate::container) ends: Ends,
}

/// The engine's side.
#[derive(Debug)]
pub(in crate::container) struct Ends {
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// Makes them. Without `interactive`, the container's standard input is at its
/// end from the start. They belong to `owner`, a user of the host, so that the
/// command can open them by name.
///
/// # Errors
/// The process has too many descriptors.
pub(in crate::container) fn pipes(interactive: bool, owner: u32) -> Result<Pipes> {
    let (stdin, input) = if interactive {
        let (reader, writer) = pipe(owner)?;
        dont_wait(&writer)?;
        (reader, Some(writer))
    } else {
        let null = File::open("/dev/null").map_err(|e| Error::io("can't open /dev/null", e))?;
        (null.into(), None)
    };
    let (stdout, output) = pipe(owner)?;
    let (stderr, errors) = pipe(owner)?;
    let ends = Ends { stdin: input, stdout, stderr };
    Ok(Pipes { container: [stdin, output, errors], ends })
}

fn pipe(owner: u32) -> Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|e| Error::io("can't make a pipe", e))?;
    rustix::fs::fchown(&writer, Some(Uid::from_raw(owner)), None::<Gid>)
        .map_err(|e| Error::io("can't give a pipe to the container's user", e))?;
    Ok((reader, writer))
}

/// Our own end of a pipe that the container may not read: writing to it
/// mustn't stop us from forwarding signals.
fn dont_wait(fd: &OwnedFd) -> Result<()> {
    fcntl_getfl(fd)
        .and_then(|flags| fcntl_setfl(fd, flags | OFlags::NONBLOCK))
        .map_err(|e| Error::io("can't prepare a pipe", e))
}

impl Ends {
    /// Ways between these and the caller's own streams.
    ///
    /// # Errors
    /// The process has too many descriptors.
    pub(super) fn pumps(self) -> Result<Vec<Pump>> {
        let mut pumps = vec![
            Pump::outward(self.stdout, own(&io::stdout())?),
            Pump::outward(self.stderr, own(&io::stderr())?),
        ];
        if let Some(stdin) = self.stdin {
            pumps.push(Pump::inward(own(&io::stdin())?, stdin));
        }
        Ok(pumps)
    }
}

/// A descriptor of our own for one of the caller's streams, so that closing it
/// doesn't close the caller's.
pub(super) fn own(stream: &impl AsFd) -> Result<OwnedFd> {
    stream
        .as_fd()
        .try_clone_to_owned()
        .map_err(|e| Error::io("can't duplicate a standard stream", e))
}
