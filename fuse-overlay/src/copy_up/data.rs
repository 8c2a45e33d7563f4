//! The content of a file, holes left out.

use std::os::fd::AsFd;

use rustix::fs::{SeekFrom, copy_file_range, ftruncate, ioctl_ficlone, seek};
use rustix::io::{Errno, pread, pwrite};

use crate::Result;

/// What is copied at a time where the kernel can't do it by itself.
const BLOCK: usize = 256 * 1024;

/// Makes the empty file `to` have what `from`, a file of `size` bytes, has:
/// by sharing blocks where the file system can, else by copying what isn't a
/// hole.
pub(super) fn copy(from: impl AsFd, to: impl AsFd, size: u64) -> Result<()> {
    if size == 0 || ioctl_ficlone(&to, &from).is_ok() {
        return Ok(());
    }
    let mut at = 0;
    while let Some((start, end)) = next_data(&from, at, size)? {
        copy_range(&from, &to, start, end)?;
        at = end;
    }
    // A hole at the end has no data that would make the file so long.
    ftruncate(&to, size)
}

/// The next range that isn't a hole; all that is left where the file system
/// can't tell.
fn next_data(from: impl AsFd, at: u64, size: u64) -> Result<Option<(u64, u64)>> {
    if at >= size {
        return Ok(None);
    }
    match seek(&from, SeekFrom::Data(at)) {
        Ok(start) if start >= size => Ok(None),
        Ok(start) => Ok(Some((start, seek(&from, SeekFrom::Hole(start))?.min(size)))),
        Err(Errno::NXIO) => Ok(None),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some((at, size))),
        Err(e) => Err(e),
    }
}

fn copy_range(from: impl AsFd, to: impl AsFd, mut at: u64, end: u64) -> Result<()> {
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(1 << 30);
        let (mut read, mut write) = (at, at);
        match copy_file_range(&from, Some(&mut read), &to, Some(&mut write), length) {
            // It ends earlier than it said it would.
            Ok(0) => return copy_by_hand(from, to, at, end),
            Ok(count) => at += count as u64,
            Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
                return copy_by_hand(from, to, at, end);
            }
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn copy_by_hand(from: impl AsFd, to: impl AsFd, mut at: u64, end: u64) -> Result<()> {
    let mut block = vec![0; BLOCK];
    while at < end {
        let wanted = block.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let count = match pread(&from, &mut block[..wanted], at) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => count,
            Err(Errno::INTR) => continue,
            Err(e) => return Err(e),
        };
        write_all(&to, &block[..count], at)?;
        at += count as u64;
    }
    Ok(())
}

/// Writes all of it.
pub(crate) fn write_all(to: impl AsFd, mut bytes: &[u8], mut at: u64) -> Result<()> {
    while !bytes.is_empty() {
        match pwrite(&to, bytes, at) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => {
                bytes = &bytes[count..];
                at += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    fn copied(from: &File, by: impl Fn(&File, &File)) -> File {
        let to = tempfile::tempfile().unwrap();
        by(from, &to);
        to
    }

    fn bytes(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn holes_stay_holes_wherever_they_are() {
        let from = tempfile::tempfile().unwrap();
        let size = 64 << 20;
        from.set_len(size).unwrap();
        from.write_all_at(b"begin", 1 << 20).unwrap();
        from.write_all_at(&[7; 100_000], 30 << 20).unwrap();
        let to = copied(&from, |from, to| copy(from, to, size).unwrap());
        assert_eq!(to.metadata().unwrap().len(), size);
        assert!(to.metadata().unwrap().blocks() * 512 < 1 << 20);
        assert!(bytes(&from) == bytes(&to));
    }

    #[test]
    fn what_the_kernel_cannot_copy_is_copied_by_hand() {
        let from = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..BLOCK * 2 + 17).map(|n| (n % 251) as u8).collect();
        from.write_all_at(&content, 0).unwrap();
        let to = copied(&from, |from, to| copy_by_hand(from, to, 5, content.len() as u64).unwrap());
        assert!(bytes(&to)[5..] == content[5..]);
    }

    #[test]
    fn a_file_that_ends_too_early_is_an_error() {
        let from = tempfile::tempfile().unwrap();
        from.write_all_at(b"short", 0).unwrap();
        let to = tempfile::tempfile().unwrap();
        assert_eq!(copy_by_hand(&from, &to, 0, 100), Err(Errno::IO));
    }
}
