//! Which parts of a file are written, if not all.
//!
//! The image specification discourages maps of holes, and for a reason: what
//! doesn't know them unpacks a file of another name with other content. So
//! nearly every file is written whole, zeros included, which compress to
//! nothing and become holes again where the archive is applied here. Only where
//! that would be absurd, a file of gigabytes that is mostly zeros (a disk
//! image, a `lastlog`), there is a map.
//!
//! A map that followed the file system's holes would make the archive depend
//! on how the file came to be. So what counts is the content: long runs of
//! zeros, whether they are holes or not. Real holes are skipped without being
//! read.

use std::ops::Range;
use std::os::fd::OwnedFd;

use rustix::fs::{SeekFrom, seek};
use rustix::io::{Errno, Result, pread, retry_on_intr};

/// Zeros are looked for in units of this size, aligned to it.
const UNIT: u64 = 4096;

/// Smaller files are written whole, without being looked at first.
const LARGE: u64 = 1 << 30;

/// Runs of zeros shorter than this are written: below, a map costs more than
/// it saves.
const SHORTEST: u64 = 64 * 1024;

/// How much is read at a time; a multiple of [`UNIT`].
const CHUNK: u64 = 128 * 1024;

/// The parts of a file that are written, in order, none empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Map {
    size: u64,
    pieces: Vec<Range<u64>>,
}

/// The map of a file of `size` bytes, or `None` if all of it is written: a file
/// that isn't large, or isn't mostly zeros.
///
/// Cost: reads a large file once, but for its holes.
pub(super) fn map(file: &OwnedFd, size: u64) -> Result<Option<Map>> {
    if size < LARGE {
        return Ok(None);
    }
    Ok(scan(file, size)?.filter(|map| map.stored() <= size / 2))
}

fn scan(file: &OwnedFd, size: u64) -> Result<Option<Map>> {
    let mut pieces = Vec::new();
    let mut buffer = vec![0; usize::try_from(CHUNK).unwrap_or(0)];
    let mut at = 0;
    while at < size {
        at = next_data(file, at, size)?;
        let want = usize::try_from((size - at).min(CHUNK)).unwrap_or(0);
        let read = match retry_on_intr(|| pread(file, &mut buffer[..want], at))? {
            0 => break,
            n => n,
        };
        note(&mut pieces, at, &buffer[..read]);
        at += read as u64;
    }
    Ok(finish(pieces, size))
}

/// Where data begins at or after `at`, rounded down to a unit but not below
/// `at`.
fn next_data(file: &OwnedFd, at: u64, size: u64) -> Result<u64> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(start) => Ok((start / UNIT * UNIT).max(at).min(size)),
        Err(Errno::NXIO) => Ok(size),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(at),
        Err(e) => Err(e),
    }
}

fn note(pieces: &mut Vec<Range<u64>>, at: u64, bytes: &[u8]) {
    let mut start = at;
    for unit in bytes.chunks(usize::try_from(UNIT).unwrap_or(1)) {
        let end = start + unit.len() as u64;
        if unit.iter().any(|b| *b != 0) {
            match pieces.last_mut() {
                // A short run of zeros belongs to what surrounds it.
                Some(last) if start - last.end < SHORTEST => last.end = end,
                _ => pieces.push(start..end),
            }
        }
        start = end;
    }
}

fn finish(mut pieces: Vec<Range<u64>>, size: u64) -> Option<Map> {
    if let Some(first) = pieces.first_mut()
        && first.start < SHORTEST
    {
        first.start = 0;
    }
    if let Some(last) = pieces.last_mut()
        && size - last.end < SHORTEST
    {
        last.end = size;
    }
    let all = matches!(pieces.as_slice(), [only] if *only == (0..size));
    (!all).then_some(Map { size, pieces })
}

impl Map {
    pub(super) fn pieces(&self) -> &[Range<u64>] {
        &self.pieces
    }

    /// Bytes of all pieces.
    pub(super) fn stored(&self) -> u64 {
        self.pieces.iter().map(|p| p.end - p.start).sum()
    }

    /// The map as it stands before the content: the number of pieces, then
    /// start and length of each, a line each, filled up to whole blocks. A file
    /// that ends with a hole has an empty piece at its end, as GNU tar writes it.
    pub(super) fn text(&self) -> Vec<u8> {
        let ends_empty = self.pieces.last().is_none_or(|p| p.end < self.size);
        let mut text = format!("{}\n", self.pieces.len() + usize::from(ends_empty));
        for piece in &self.pieces {
            text.push_str(&format!("{}\n{}\n", piece.start, piece.end - piece.start));
        }
        if ends_empty {
            text.push_str(&format!("{}\n0\n", self.size));
        }
        let mut bytes = text.into_bytes();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

/// The name that who doesn't know sparse files sees.
pub(super) fn placeholder(path: &[u8]) -> Vec<u8> {
    let at = path.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
    let (dir, name) = path.split_at(at);
    [dir, b"GNUSparseFile.0/", name].concat()
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // A range is a piece here, not numbers.
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::*;

    const SIZE: u64 = 1 << 20;

    fn found(size: u64, data: &[(u64, &[u8])], dense: bool) -> Option<Vec<Range<u64>>> {
        let file = tempfile::tempfile().unwrap();
        match dense {
            true => file.write_all_at(&vec![0; usize::try_from(size).unwrap()], 0).unwrap(),
            false => file.set_len(size).unwrap(),
        }
        for (at, bytes) in data {
            file.write_all_at(bytes, *at).unwrap();
        }
        let file: File = file;
        scan(&file.into(), size).unwrap().map(|m| m.pieces)
    }

    #[test]
    fn holes_and_written_zeros_give_the_same_map() {
        let data: [(u64, &[u8]); 3] = [(5, b"x"), (300_000, b"y"), (SIZE - 1, b"z")];
        let expected = vec![0..4096, 299_008..303_104, SIZE - 4096..SIZE];
        for dense in [false, true] {
            assert_eq!(found(SIZE, &data, dense), Some(expected.clone()));
            assert_eq!(found(SIZE, &[], dense), Some(vec![]));
            assert_eq!(found(SIZE + 1, &[(SIZE, b"z")], dense), Some(vec![SIZE..SIZE + 1]));
        }
    }

    #[test]
    fn only_large_files_of_mostly_zeros_have_a_map() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(LARGE).unwrap();
        let file = file.into();
        assert_eq!(map(&file, LARGE - 1).unwrap(), None);
        assert!(map(&file, LARGE).unwrap().is_some());
        let half = Map { size: 10, pieces: vec![0..6] };
        assert!(half.stored() > half.size / 2);
    }

    #[test]
    fn short_runs_of_zeros_are_written() {
        let every_60k: Vec<(u64, &[u8])> = (0..SIZE / 61_440 + 1)
            .map(|i| (i * 61_440, &b"x"[..]))
            .filter(|(at, _)| *at < SIZE)
            .collect();
        assert_eq!(found(SIZE, &every_60k, false), None);
    }

    #[test]
    fn the_map_is_text_in_whole_blocks() {
        let map = Map { size: SIZE, pieces: vec![0..4096] };
        let text = map.text();
        assert_eq!(text.len(), 512);
        assert!(text.starts_with(b"2\n0\n4096\n1048576\n0\n\0"));
        assert_eq!(placeholder(b"a/b"), b"a/GNUSparseFile.0/b");
        assert_eq!(placeholder(b"b"), b"GNUSparseFile.0/b");
    }
}
