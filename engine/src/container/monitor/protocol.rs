//! What the engine and a container's monitor say to each other, and how.
//!
//! They share a pair of sequenced-packet sockets: one message a packet, in
//! JSON, descriptors riding along. A closed end is a message too: it says that
//! the other process is gone, however it died.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::container::error::{Error, ErrorKind, Result};

/// The container to run, sent first, with descriptors: the lock that says that
/// the container is alive, then, without a terminal, its standard streams.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// The container's id.
    pub id: String,
    /// The folder with `config.json`.
    pub bundle: PathBuf,
    /// Where the runtime keeps its state; made for this container alone.
    pub state: PathBuf,
    /// Where filters of system calls are kept (see `runtime`), made if needed.
    pub filters: PathBuf,
    /// The control group, to be emptied and removed at the end.
    pub cgroup: PathBuf,
    /// A program, instead of the library.
    pub runtime: Option<PathBuf>,
    /// The socket on which the terminal's master side is awaited.
    pub console: Option<PathBuf>,
}

/// What the engine says after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Send this signal to the container's first process.
    Signal(i32),
}

/// What the monitor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// The command runs.
    Started(ProcessId),
    /// There is no process, and nothing is left of the attempt.
    Failed {
        /// Whose fault it was.
        fault: Fault,
        /// One line.
        message: String,
    },
    /// The container's first process ended, and nothing is left but its tree.
    Exited(Ending),
}

/// A process that can be told from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number on the host.
    pub pid: i32,
    /// When it began, in clock ticks since the machine did (proc_pid_stat(5)).
    pub started: u64,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// With this status.
    Code(u8),
    /// By this signal.
    Signal(u8),
}

impl Ending {
    /// The exit status of `sapwood run`: the command's own, or 128 and the
    /// signal's number.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => signal.saturating_add(128),
        }
    }
}

/// Why there is no process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The runtime couldn't make the container.
    Runtime,
    /// The command isn't there.
    CommandNotFound,
    /// The command is there and can't be executed.
    NotExecutable,
}

impl From<Fault> for ErrorKind {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Runtime => Self::Runtime,
            Fault::CommandNotFound => Self::CommandNotFound,
            Fault::NotExecutable => Self::NotExecutable,
        }
    }
}

/// The largest message, and the most descriptors with one.
const MESSAGE: usize = 64 << 10;
const DESCRIPTORS: usize = 5;

/// Two connected ends, each closed by exec(2).
///
/// # Errors
/// The process has too many descriptors.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
    rustix::net::socketpair(family, kind, SocketFlags::CLOEXEC, None)
        .map_err(|e| Error::io("can't make a socket", e))
}

/// Sends one message. Never raises SIGPIPE.
///
/// # Errors
/// The other end is closed, or the message is too large.
pub fn send(
    socket: BorrowedFd<'_>,
    message: &impl Serialize,
    fds: &[BorrowedFd<'_>],
) -> Result<()> {
    let bytes = serde_json::to_vec(message)
        .map_err(|e| Error::invalid("can't write a message").with_source(e))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Error::invalid("too many descriptors for one message"));
    }
    let parts = [IoSlice::new(&bytes)];
    retry_on_intr(|| rustix::net::sendmsg(socket, &parts, &mut control, SendFlags::NOSIGNAL))
        .map(drop)
        .map_err(|e| Error::io("can't send a message", e))
}

/// Waits for a message; `None` if the other end is closed.
///
/// # Errors
/// What came isn't such a message.
pub fn receive<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; MESSAGE];
    let Some((length, fds)) = receive_raw(socket, &mut bytes)? else {
        return Ok(None);
    };
    let message = bytes.get(..length).unwrap_or_default();
    serde_json::from_slice(message)
        .map(|message| Some((message, fds)))
        .map_err(|e| Error::invalid("a message can't be understood").with_source(e))
}

/// Waits for a packet or some bytes and the descriptors that come with them;
/// `None` if the other end is closed.
///
/// # Errors
/// Reading failed.
pub fn receive_raw(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
) -> Result<Option<(usize, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    match retry_on_intr(|| rustix::net::recvmsg(socket.as_fd(), &mut parts, &mut control, flags)) {
        Ok(received) if received.bytes == 0 => Ok(None),
        Ok(received) => {
            let fds = control.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(fds) => Some(fds),
                _ => None,
            });
            Ok(Some((received.bytes, fds.flatten().collect())))
        }
        Err(Errno::CONNRESET) => Ok(None),
        Err(e) => Err(Error::io("can't receive a message", e)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    #[test]
    fn messages_carry_descriptors() {
        let (here, there) = pair().unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        send(here.as_fd(), &Order::Signal(15), &[writer.as_fd()]).unwrap();
        send(here.as_fd(), &Order::Signal(2), &[]).unwrap();
        drop((here, writer));
        let (first, mut fds) = receive::<Order>(there.as_fd()).unwrap().unwrap();
        assert_eq!(first, Order::Signal(15));
        File::from(fds.remove(0)).write_all(b"x").unwrap();
        assert_eq!(std::io::read_to_string(File::from(reader)).unwrap(), "x");
        assert_eq!(receive::<Order>(there.as_fd()).unwrap().unwrap().0, Order::Signal(2));
        assert!(receive::<Order>(there.as_fd()).unwrap().is_none());
        assert!(send(there.as_fd(), &Order::Signal(1), &[]).is_err());
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let (here, there) = pair().unwrap();
        send(here.as_fd(), &"hello", &[]).unwrap();
        assert!(receive::<Order>(there.as_fd()).is_err());
    }

    #[test]
    fn exit_statuses() {
        assert_eq!(Ending::Code(3).status(), 3);
        assert_eq!(Ending::Signal(9).status(), 137);
        assert_eq!(Ending::Signal(15).status(), 143);
    }
}
