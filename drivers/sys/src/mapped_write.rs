//! Writing to a file through a shared memory mapping.
//!
//! Programs write like this (databases do), and it takes another way through
//! the kernel than write(2): page faults, dirty pages, and with union file
//! systems another copy-up. The suites need it to verify drivers; no driver
//! does.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use rustix::io::Errno;

/// A multiple of every page size that Linux has.
const ALIGN: u64 = 64 << 10;

/// Writes `bytes` at `offset` of a file by mapping it shared and writable,
/// storing into memory, and msync(2).
///
/// The range must lie within the file: a mapping can't make it longer. If
/// somebody truncates the file meanwhile, the process gets SIGBUS.
///
/// # Errors
/// `INVAL` if the range doesn't lie within the file; what mmap(2) and msync(2)
/// say (`ACCESS` unless the descriptor is open for reading and writing).
pub fn write(file: BorrowedFd<'_>, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
    let length = u64::try_from(bytes.len()).map_err(|_| Errno::INVAL)?;
    let end = offset.checked_add(length).ok_or(Errno::INVAL)?;
    let size = u64::try_from(rustix::fs::fstat(file)?.st_size).map_err(|_| Errno::INVAL)?;
    if end > size {
        return Err(Errno::INVAL);
    }
    if bytes.is_empty() {
        return Ok(());
    }
    let within = offset % ALIGN;
    let map = Mapping::new(file, offset - within, within + length)?;
    map.store(usize::try_from(within).map_err(|_| Errno::INVAL)?, bytes)?;
    map.flush()
}

/// A shared, writable mapping that nobody else has the address of.
struct Mapping {
    start: *mut libc::c_void,
    length: usize,
}

impl Mapping {
    fn new(file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<Self, Errno> {
        let length = usize::try_from(length).map_err(|_| Errno::INVAL)?;
        let offset = libc::off_t::try_from(offset).map_err(|_| Errno::INVAL)?;
        // SAFETY: without MAP_FIXED the kernel chooses an unused range, so no
        // memory that Rust knows of is replaced; the result is checked below.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(crate::thread::last_errno());
        }
        Ok(Self { start, length })
    }

    fn store(&self, within: usize, bytes: &[u8]) -> Result<(), Errno> {
        if within.checked_add(bytes.len()).is_none_or(|end| end > self.length) {
            return Err(Errno::INVAL);
        }
        // SAFETY: `within` is at most `length`, checked above, so the result
        // stays within the mapping.
        let target = unsafe { self.start.cast::<u8>().add(within) };
        // SAFETY: `target` has room for `bytes`, checked above; the mapping is
        // new and its address known only here, so the two don't overlap.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
        Ok(())
    }

    fn flush(&self) -> Result<(), Errno> {
        // SAFETY: exactly the range that mmap(2) returned, still mapped.
        match unsafe { libc::msync(self.start, self.length, libc::MS_SYNC) } {
            0 => Ok(()),
            _ => Err(crate::thread::last_errno()),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly the range that mmap(2) returned; no reference into it
        // was ever made. It can't fail for such a range.
        unsafe { libc::munmap(self.start, self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    #[test]
    fn bytes_land_across_pages_and_never_beyond_the_end() {
        let file = tempfile::tempfile().unwrap();
        let page = ALIGN;
        file.set_len(3 * page).unwrap();
        write(file.as_fd(), page - 2, b"abcd").unwrap();
        let mut found = [0; 6];
        file.read_exact_at(&mut found, page - 3).unwrap();
        assert_eq!(&found, b"\0abcd\0");
        assert_eq!(write(file.as_fd(), 3 * page - 1, b"xy"), Err(Errno::INVAL));
        assert_eq!(write(file.as_fd(), u64::MAX, b"x"), Err(Errno::INVAL));
        assert_eq!(write(file.as_fd(), 3 * page, b""), Ok(()));
        assert_eq!(file.metadata().unwrap().len(), 3 * page);
    }
}
