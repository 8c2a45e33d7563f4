//! A container's terminal, and the caller's, which becomes a window on it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::process::{Gid, Uid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};
use rustix::termios::{
    OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

use super::pump::Pump;
use super::streams::own;
use crate::container::error::{Error, Result};
use crate::container::monitor::receive_raw;

/// The socket on which a runtime hands over the terminal that it has made.
#[derive(Debug)]
pub(in crate::container) struct Console {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Console {
    /// Listens in `dir`, for a terminal that is to belong to `owner`, a user
    /// of the host.
    ///
    /// # Errors
    /// The socket can't be made.
    pub(in crate::container) fn listen(dir: &Path, owner: u32) -> Result<Self> {
        const NAME: &str = "console.sock";
        // An address holds 107 bytes, and the folder's path may be longer.
        let folder = fs::File::open(dir).map_err(|e| Error::io_at("open", dir, e))?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
        let short = format!("/proc/self/fd/{number}/{NAME}");
        let path = dir.join(NAME);
        let listener =
            UnixListener::bind(short).map_err(|e| Error::io_at("listen on", &path, e))?;
        Ok(Self { listener, path, owner })
    }

    /// Where the runtime finds it.
    pub(in crate::container) fn path(&self) -> &Path {
        &self.path
    }

    /// Readable when the runtime has connected.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Takes the terminal's master side.
    pub(super) fn accept(&self) -> Result<OwnedFd> {
        let (stream, _) =
            self.listener.accept().map_err(|e| Error::io("can't await the terminal", e))?;
        let received = receive_raw(stream.as_fd(), &mut [0; 4096])?;
        let master = received
            .and_then(|(_, fds)| fds.into_iter().next())
            .ok_or_else(|| Error::invalid("the runtime sent no terminal"))?;
        give(&master, self.owner)?;
        Ok(master)
    }
}

/// Gives the terminal's other side to the container's user, who couldn't open
/// it by name otherwise.
fn give(master: &OwnedFd, owner: u32) -> Result<()> {
    let attempt = || {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = ioctl_tiocgptpeer(master, flags)?;
        rustix::fs::fchown(slave, Some(Uid::from_raw(owner)), None::<Gid>)
    };
    attempt().map_err(|e| Error::io("can't give the terminal to the container's user", e))
}

/// A terminal that is being used. While it is, the caller's own terminal, if
/// that is where it types, passes every key on untouched; it is restored when
/// this is dropped, on every way out but SIGKILL.
#[derive(Debug)]
pub(in crate::container) struct Terminal {
    master: OwnedFd,
    restore: Option<(OwnedFd, Termios)>,
}

impl Terminal {
    /// Connects the caller's streams with the terminal.
    ///
    /// # Errors
    /// The caller's terminal can't be switched.
    pub(super) fn connect(master: OwnedFd, typing: bool) -> Result<(Self, Vec<Pump>)> {
        let mut terminal = Self { master, restore: None };
        let mut pumps = vec![Pump::outward(own(&terminal.master)?, own(&io::stdout())?)];
        if typing {
            let stdin = own(&io::stdin())?;
            if isatty(&stdin) {
                terminal.restore = Some(make_raw(own(&stdin)?)?);
            }
            pumps.push(Pump::inward(stdin, own(&terminal.master)?));
        }
        terminal.fit()?;
        Ok((terminal, pumps))
    }

    /// Makes the container's terminal as large as the caller's.
    ///
    /// # Errors
    /// One of them is gone.
    pub(super) fn fit(&self) -> Result<()> {
        for stream in [io::stdout().as_fd(), io::stdin().as_fd()] {
            if isatty(stream) {
                return tcgetwinsize(stream)
                    .and_then(|size| tcsetwinsize(&self.master, size))
                    .map_err(|e| Error::io("can't resize the container's terminal", e));
            }
        }
        Ok(())
    }
}

fn make_raw(fd: OwnedFd) -> Result<(OwnedFd, Termios)> {
    let attempt = || {
        let before = tcgetattr(&fd)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&fd, OptionalActions::Now, &raw)?;
        Ok(before)
    };
    match attempt() {
        Ok(before) => Ok((fd, before)),
        Err(e) => {
            let e: rustix::io::Errno = e;
            Err(Error::io("can't switch the terminal", e))
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some((fd, before)) = &self.restore
            && let Err(e) = tcsetattr(fd, OptionalActions::Now, before)
        {
            // A terminal that was hung up can't be restored and needn't be.
            tracing::debug!("can't restore the terminal: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::pty::{OpenptFlags, openpt, unlockpt};

    use super::*;

    fn pty() -> (OwnedFd, OwnedFd) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        (master, slave)
    }

    #[test]
    fn a_raw_terminal_is_restored() {
        let (_master, slave) = pty();
        let modes = |fd: &OwnedFd| tcgetattr(fd).unwrap().local_modes;
        let before = modes(&slave);
        let restore = make_raw(slave.try_clone().unwrap()).unwrap();
        assert_ne!(modes(&slave), before);
        drop(Terminal { master: pty().0, restore: Some(restore) });
        assert_eq!(modes(&slave), before);
    }

    #[test]
    fn a_terminal_is_handed_over_through_a_deep_folder() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let console = Console::listen(&deep, 0).unwrap();
        assert!(console.path().as_os_str().len() > 108);
        let (master, slave) = pty();
        let folder = fs::File::open(&deep).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
        let client =
            std::os::unix::net::UnixStream::connect(format!("/proc/self/fd/{number}/console.sock"))
                .unwrap();
        crate::container::monitor::send(client.as_fd(), &"/dev/ptmx", &[master.as_fd()]).unwrap();
        let received = console.accept().unwrap();
        tcsetwinsize(
            &received,
            rustix::termios::Winsize { ws_row: 7, ws_col: 9, ws_xpixel: 0, ws_ypixel: 0 },
        )
        .unwrap();
        assert_eq!(tcgetwinsize(&slave).unwrap().ws_row, 7);
    }
}
