//! The stream itself: counted, in blocks of 512 bytes.

use std::fmt;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::io::{pread, retry_on_intr};

/// The unit of a tar archive.
pub(super) const BLOCK: u64 = 512;

/// How much of a file is read at a time.
const CHUNK: usize = 128 * 1024;

/// A stream that knows how much went through it.
pub(super) struct Counted<'a> {
    out: &'a mut dyn Write,
    count: u64,
    buffer: Vec<u8>,
}

impl fmt::Debug for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("count", &self.count).finish_non_exhaustive()
    }
}

impl<'a> Counted<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, count: 0, buffer: Vec::new() }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.count += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Zeros up to the end of the block.
    pub(super) fn pad(&mut self) -> io::Result<()> {
        let over = self.count % BLOCK;
        match over {
            0 => Ok(()),
            over => self.put(&[0; 512][..usize::try_from(BLOCK - over).unwrap_or(0)]),
        }
    }

    /// `len` bytes of `file` from `at` on; false if it ends before.
    pub(super) fn copy(&mut self, file: &OwnedFd, mut at: u64, len: u64) -> io::Result<bool> {
        let end = at + len;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(CHUNK, 0);
        while at < end {
            let want = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            let read = retry_on_intr(|| pread(file, &mut buffer[..want], at))?;
            if read == 0 {
                return Ok(false);
            }
            self.put(&buffer[..read])?;
            at += read as u64;
        }
        self.buffer = buffer;
        Ok(true)
    }
}
