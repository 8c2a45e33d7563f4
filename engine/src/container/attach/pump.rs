//! Moving bytes one way between two descriptors, without ever waiting for
//! either longer than poll(2) does.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::fs::FileType;
use rustix::io::Errno;

/// How much is read at once.
const BUFFER: usize = 64 << 10;

/// How much is written at once where writing could block: poll(2) promises
/// room for `PIPE_BUF` bytes in a pipe, and POSIX at least so much elsewhere.
const CAREFUL: usize = 4096;

/// A way from one descriptor to another.
#[derive(Debug)]
pub(super) struct Pump {
    from: Option<OwnedFd>,
    to: Option<OwnedFd>,
    buffer: Vec<u8>,
    /// Where in the buffer lies what hasn't been written yet.
    pending: std::ops::Range<usize>,
    chunk: usize,
    output: bool,
}

impl Pump {
    /// From a container to the caller.
    pub(super) fn outward(from: OwnedFd, to: OwnedFd) -> Self {
        Self::new(from, to, true)
    }

    /// From the caller to a container.
    pub(super) fn inward(from: OwnedFd, to: OwnedFd) -> Self {
        Self::new(from, to, false)
    }

    fn new(from: OwnedFd, to: OwnedFd, output: bool) -> Self {
        let chunk = if never_blocks(to.as_fd()) { BUFFER } else { CAREFUL };
        let (from, to) = (Some(from), Some(to));
        Self { from, to, buffer: vec![0; BUFFER], pending: 0..0, chunk, output }
    }

    /// Whether it carries what the container says.
    pub(super) fn is_output(&self) -> bool {
        self.output
    }

    /// Whether there is nothing left to do: both ends are closed by then.
    pub(super) fn is_done(&self) -> bool {
        self.to.is_none()
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let to = self.to.as_ref()?;
        if self.pending.is_empty() {
            self.from.as_ref().map(|from| (from.as_fd(), PollFlags::IN))
        } else {
            Some((to.as_fd(), PollFlags::OUT))
        }
    }

    /// Does one step: a read if there is nothing to write, else a write. To be
    /// called when the descriptor of [`Pump::interest`] is ready.
    pub(super) fn step(&mut self) {
        if self.pending.is_empty() { self.fill() } else { self.empty() }
    }

    fn fill(&mut self) {
        let Some(from) = &self.from else {
            return;
        };
        match rustix::io::read(from, &mut self.buffer[..]) {
            // EIO: the last process has closed the terminal.
            Ok(0) | Err(Errno::IO) => self.close(),
            Ok(length) => self.pending = 0..length,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(e) => self.give_up("read", e),
        }
    }

    fn empty(&mut self) {
        let Some(to) = &self.to else {
            return;
        };
        let end = self.pending.end.min(self.pending.start + self.chunk);
        match rustix::io::write(to, self.buffer.get(self.pending.start..end).unwrap_or_default()) {
            Ok(length) => self.pending.start += length,
            Err(Errno::INTR | Errno::AGAIN) => {}
            // Nobody reads any more.
            Err(Errno::PIPE | Errno::IO) => self.close(),
            Err(e) => self.give_up("write", e),
        }
    }

    /// A full disk behind standard output, say, is the container's to deal
    /// with, not a reason to kill it.
    fn give_up(&mut self, doing: &str, why: Errno) {
        tracing::warn!("can't {doing} a stream of the container: {why}");
        self.close();
    }

    /// Closing our end tells whoever writes at the other.
    fn close(&mut self) {
        (self.from, self.to) = (None, None);
    }
}

/// Whether writing never waits for a reader.
fn never_blocks(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};

    use super::*;

    fn pipe() -> (OwnedFd, OwnedFd) {
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
    }

    #[test]
    fn bytes_then_the_end_are_handed_on() {
        let (from, writer) = pipe();
        let (reader, to) = pipe();
        let mut pump = Pump::outward(from, to);
        let text = vec![b'x'; 3 * CAREFUL + 1];
        File::from(writer).write_all(&text).unwrap();
        while !pump.is_done() {
            pump.step();
        }
        let mut got = Vec::new();
        File::from(reader).read_to_end(&mut got).unwrap();
        assert_eq!(got, text);
    }

    #[test]
    fn a_reader_that_left_ends_it() {
        let (from, writer) = pipe();
        let (reader, to) = pipe();
        let mut pump = Pump::outward(from, to);
        drop(reader);
        let mut writer = File::from(writer);
        writer.write_all(b"x").unwrap();
        pump.step();
        assert_eq!(pump.interest().unwrap().1, PollFlags::OUT);
        pump.step();
        assert!(pump.is_done() && pump.interest().is_none());
        assert!(writer.write_all(b"x").is_err());
    }
}
