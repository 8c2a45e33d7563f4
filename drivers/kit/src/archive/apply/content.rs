//! Writes the content of files, and makes holes of what is zero.

use std::os::fd::{AsFd, BorrowedFd};

use graphdriver_api::{Op, Result};
use rustix::fs;
use rustix::io::{self, Errno};

use crate::archive::entry::Entry;
use crate::archive::header::is_zero;
use crate::archive::read::Reader;
use crate::at::Context;
use crate::fault;

/// Zeros in a row that aren't written. Layers hold no maps of holes (the
/// specification discourages them), so this is how a file that was sparse
/// stays so; shorter holes would cost the file system more than they save.
const HOLE: usize = 64 * 1024;

/// In which units zeros are looked for.
const UNIT: usize = 4096;

/// Written in place of zeros that turn out to be too few for a hole.
static ZEROS: [u8; HOLE] = [0; HOLE];

/// Writes the content of the current entry to a new file.
pub(super) fn write(file: impl AsFd, reader: &mut Reader<'_>, entry: &Entry) -> Result<()> {
    let mut content = Content { file: file.as_fd(), next: 0, zeros: 0, end: 0 };
    reader.content(entry, &mut |offset, piece| {
        content.piece(offset, piece).doing_to(Op::Apply, "write the file", || path(entry))
    })?;
    if content.end < entry.size {
        extend(content.file, entry.size).doing_to(Op::Apply, "extend the file", || path(entry))?;
    }
    Ok(())
}

fn path(entry: &Entry) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(&entry.path)
}

fn extend(file: BorrowedFd<'_>, size: u64) -> std::io::Result<()> {
    fault::point("archive.apply.extend")?;
    Ok(fs::ftruncate(file, size)?)
}

struct Content<'a> {
    file: BorrowedFd<'a>,
    /// Where the next piece goes, if no hole of the archive's is in between.
    next: u64,
    /// Zeros before that which haven't been written.
    zeros: usize,
    /// Where what was written ends.
    end: u64,
}

impl Content<'_> {
    /// Takes a piece that follows what was there before.
    fn piece(&mut self, offset: u64, piece: &[u8]) -> std::io::Result<()> {
        if offset != self.next {
            self.zeros = 0;
        }
        self.next = offset + piece.len() as u64;
        // What of the piece isn't written yet begins here, and ends in zeros
        // from there.
        let (mut start, mut zeros_from) = (0, 0);
        for (index, unit) in piece.chunks(UNIT).enumerate() {
            if is_zero(unit) {
                continue;
            }
            let here = index * UNIT;
            let run = self.zeros.saturating_add(here - zeros_from);
            if run >= HOLE {
                self.write_all(offset + start as u64, slice(piece, start, zeros_from))?;
                start = here;
            } else if self.zeros > 0 {
                self.write_all(offset - self.zeros as u64, slice(&ZEROS, 0, self.zeros))?;
            }
            self.zeros = 0;
            zeros_from = here + unit.len();
        }
        self.write_all(offset + start as u64, slice(piece, start, zeros_from))?;
        self.zeros = self.zeros.saturating_add(piece.len() - zeros_from);
        Ok(())
    }

    fn write_all(&mut self, mut at: u64, mut data: &[u8]) -> std::io::Result<()> {
        while !data.is_empty() {
            fault::point("archive.apply.write")?;
            match io::pwrite(self.file, data, at) {
                Ok(0) => return Err(Errno::IO.into()),
                Ok(written) => {
                    data = data.get(written..).unwrap_or_default();
                    at += written as u64;
                    self.end = at;
                }
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

fn slice(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    bytes.get(from..to).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;

    use proptest::prelude::*;

    use super::*;

    /// Writes `content` in pieces of the given sizes; returns what the file
    /// holds then, and how much of it is allocated.
    fn written(content: &[u8], sizes: &[usize]) -> (Vec<u8>, u64) {
        let mut file = tempfile::tempfile().unwrap();
        let mut out = Content { file: file.as_fd(), next: 0, zeros: 0, end: 0 };
        let (mut rest, mut sizes) = (content, sizes.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            out.piece((content.len() - rest.len()) as u64, piece).unwrap();
            rest = after;
        }
        let end = out.end;
        if end < content.len() as u64 {
            extend(file.as_fd(), content.len() as u64).unwrap();
        }
        let mut found = Vec::new();
        file.read_to_end(&mut found).unwrap();
        file.sync_all().unwrap();
        (found, file.metadata().unwrap().blocks() * 512)
    }

    #[test]
    fn long_runs_of_zeros_become_holes_however_they_arrive() {
        let mut content = vec![0; 4 << 20];
        content[..5].copy_from_slice(b"begin");
        content[2 << 20] = 1;
        for sizes in [&[256 << 10][..], &[100_000], &[511, 70_001, 3]] {
            let (found, allocated) = written(&content, sizes);
            assert!(found == content);
            assert!(allocated <= 64 << 10, "{allocated} bytes for {sizes:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn content_survives(
            runs in prop::collection::vec((any::<bool>(), 1_usize..90_000), 1..8),
            sizes in prop::collection::vec(1_usize..100_000, 1..5),
        ) {
            let content: Vec<u8> = runs
                .iter()
                .flat_map(|(zero, len)| std::iter::repeat_n(u8::from(!zero), *len))
                .collect();
            prop_assert!(written(&content, &sizes).0 == content);
        }
    }
}
