//! Whether two files of one length have the same bytes.

use std::os::fd::OwnedFd;

use rustix::fs::{SeekFrom, seek};
use rustix::io::{Errno, Result, pread, retry_on_intr};

/// How much is read of each at a time.
const CHUNK: usize = 128 * 1024;

/// Compares `size` bytes. Holes are zeros, and aren't read where both files
/// have one: a sparse file costs what is in it, not what it seems to hold.
///
/// # Errors
/// As lseek(2) and pread(2).
pub(crate) fn same(old: &OwnedFd, new: &OwnedFd, size: u64) -> Result<bool> {
    let (mut a, mut b) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut at = 0;
    while at < size {
        at = data(old, at, size)?.min(data(new, at, size)?);
        let len = usize::try_from(size - at).unwrap_or(CHUNK).min(CHUNK);
        let (a, b) = (&mut a[..len], &mut b[..len]);
        let read = (fill(old, a, at)?, fill(new, b, at)?);
        if read.0 != read.1 || a != b {
            return Ok(false);
        }
        if read.0 < len {
            // Both were cut off here meanwhile, or the end is reached.
            return Ok(true);
        }
        at += len as u64;
    }
    Ok(true)
}

/// Where the next data begins at or after `at`; `size` if there is none.
fn data(file: &OwnedFd, at: u64, size: u64) -> Result<u64> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(start) => Ok(start.min(size)),
        Err(Errno::NXIO) => Ok(size),
        // A file system that doesn't know: everything is data.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(at),
        Err(e) => Err(e),
    }
}

fn fill(file: &OwnedFd, buffer: &mut [u8], at: u64) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match retry_on_intr(|| pread(file, &mut *rest, at + filled as u64))? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}
