//! Copies what the machine writes to the log, and on to the caller's own output while it runs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Child;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::error::Error;
use crate::machine::Machine;

/// Returns when both pipes have ended: then no process of the machine is left to write to them.
pub(crate) fn listen(machine: &Machine, child: &mut Child, log: &Path) -> Result<(), Error> {
    let file = OpenOptions::new().append(true).open(log).map_err(Error::io("open", log))?;
    let file = Mutex::new(file);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let out = scope.spawn(|| copy(stdout, &file, machine.echo.then(io::stdout)));
        let err = copy(stderr, &file, machine.echo.then(io::stderr));
        let out = out.join().unwrap_or_else(|_| Err(io::Error::other("the listener panicked")));
        out.and(err)
    })
    .map_err(Error::io("copy the machine's output to", log))
}

/// Bytes go on as they come; the lock is held for one piece, so that lines seldom mix.
fn copy<R: Read, W: Write>(
    from: Option<R>,
    log: &Mutex<File>,
    mut echo: Option<W>,
) -> io::Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let piece = buffer.get(..length).unwrap_or_default();
        log.lock().unwrap_or_else(PoisonError::into_inner).write_all(piece)?;
        if let Some(echo) = &mut echo {
            echo.write_all(piece)?;
            echo.flush()?;
        }
    }
}
