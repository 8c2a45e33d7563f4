//! The program's standard output and error: two consoles of the guest, two pipes of the host.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;

use rustix::fs::OFlags;
use rustix::termios::{OptionalActions, OutputModes, tcdrain, tcgetattr, tcsetattr};

use crate::guest::{Step, during};

pub(crate) struct Terminal {
    stdout: File,
    stderr: File,
}

impl Terminal {
    pub(crate) fn open() -> Step<Self> {
        Ok(Self { stdout: open("/dev/tty0")?, stderr: open("/dev/tty1")? })
    }

    /// A copy of standard output for a child to inherit.
    pub(crate) fn stdout(&self) -> Step<Stdio> {
        self.stdout.try_clone().map(Stdio::from).map_err(during("/dev/tty0"))
    }

    /// A copy of standard error for a child to inherit.
    pub(crate) fn stderr(&self) -> Step<Stdio> {
        self.stderr.try_clone().map(Stdio::from).map_err(during("/dev/tty1"))
    }

    /// Writes a line of init's own, to standard error.
    pub(crate) fn announce(&self, line: &str) -> Step<()> {
        (&self.stderr).write_all(line.as_bytes()).map_err(during("/dev/tty1"))
    }

    /// Waits until the host has everything. What is still buffered at power-off would be lost.
    pub(crate) fn drain(&self) -> Step<()> {
        tcdrain(&self.stdout).map_err(during("/dev/tty0"))?;
        tcdrain(&self.stderr).map_err(during("/dev/tty1"))
    }
}

/// Without output processing: `\n` stays what it is.
fn open(path: &str) -> Step<File> {
    let flags = i32::try_from(OFlags::NOCTTY.bits()).map_err(during(path))?;
    let tty = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)
        .map_err(during(path))?;
    let mut modes = tcgetattr(&tty).map_err(during(path))?;
    modes.output_modes.remove(OutputModes::OPOST);
    tcsetattr(&tty, OptionalActions::Now, &modes).map_err(during(path))?;
    Ok(tty)
}
