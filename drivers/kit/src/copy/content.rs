//! The bytes of a file, and the holes between them.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{SeekFrom, copy_file_range, ftruncate, ioctl_ficlone, seek};
use rustix::io::{Errno, pread, pwrite, retry_on_intr};

use crate::at::Meta;
use crate::fault;

/// A file up to this size is copied by one read and one write, which is less
/// work for the kernel than setting up a copy inside it.
const BUFFER: usize = 128 * 1024;

/// Which of the faster ways seem to work here; each is tried until the file
/// system says that it hasn't got it.
#[derive(Debug)]
pub(super) struct Ways {
    share: AtomicBool,
    in_kernel: AtomicBool,
}

impl Ways {
    /// Everything may work.
    pub(super) fn new() -> Self {
        Self { share: AtomicBool::new(true), in_kernel: AtomicBool::new(true) }
    }

    /// Nothing but reading and writing.
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self { share: AtomicBool::new(false), in_kernel: AtomicBool::new(false) }
    }

    /// Fills `to`, which is empty, with what is in `from`; tells the bytes,
    /// without holes.
    pub(super) fn copy(
        &self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        meta: &Meta,
    ) -> io::Result<u64> {
        if meta.size == 0 {
            return Ok(0);
        }
        fault::point("copy.content")?;
        if self.share(from, to)? {
            return Ok(meta.size);
        }
        let has_holes = meta.blocks.saturating_mul(512) < meta.size;
        match has_holes {
            true => self.copy_data(from, to, meta.size),
            false => self.copy_range(from, to, 0, meta.size),
        }
    }

    /// Has both share their blocks, if the file system can.
    fn share(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<bool> {
        if !self.share.load(Ordering::Relaxed) {
            return Ok(false);
        }
        match ioctl_ficlone(to, from) {
            Ok(()) => Ok(true),
            // Not these two (one without checksums on btrfs, say).
            Err(Errno::INVAL) => Ok(false),
            Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS | Errno::XDEV) => {
                self.share.store(false, Ordering::Relaxed);
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }

    fn copy_data(&self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, size: u64) -> io::Result<u64> {
        let (mut copied, mut at) = (0, 0);
        while at < size {
            let start = match seek(from, SeekFrom::Data(at)) {
                Ok(start) => start,
                // From here on there is a hole to the end.
                Err(Errno::NXIO) => break,
                Err(e) => return Err(e.into()),
            };
            at = seek(from, SeekFrom::Hole(start))?;
            copied += self.copy_range(from, to, start, at)?;
        }
        ftruncate(to, size)?;
        Ok(copied)
    }

    fn copy_range(
        &self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        start: u64,
        end: u64,
    ) -> io::Result<u64> {
        let mut at = start;
        if end - start > BUFFER as u64 && self.in_kernel.load(Ordering::Relaxed) {
            at = self.copy_in_kernel(from, to, at, end)?;
        }
        let mut buffer = Vec::new();
        while at < end {
            buffer.resize(usize::try_from(end - at).unwrap_or(BUFFER).min(BUFFER), 0);
            let read = retry_on_intr(|| pread(from, &mut buffer, at))?;
            if read == 0 {
                // Somebody made the file shorter; the length is the copy's too.
                ftruncate(to, end)?;
                break;
            }
            write_all(to, buffer.get(..read).unwrap_or_default(), at)?;
            at += read as u64;
        }
        Ok(at - start)
    }

    /// Copies up to where it stops working; tells where.
    fn copy_in_kernel(
        &self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        start: u64,
        end: u64,
    ) -> io::Result<u64> {
        let (mut read_at, mut write_at) = (start, start);
        while read_at < end {
            let rest = usize::try_from(end - read_at).unwrap_or(usize::MAX);
            let (input, output) = (Some(&mut read_at), Some(&mut write_at));
            match copy_file_range(from, input, to, output, rest) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    self.in_kernel.store(false, Ordering::Relaxed);
                    break;
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(read_at)
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match retry_on_intr(|| pwrite(to, bytes, at))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = bytes.get(written..).unwrap_or_default();
                at += written as u64;
            }
        }
    }
    Ok(())
}
