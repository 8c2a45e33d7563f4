//! Files with holes: GNU's own header, and its PAX records in three versions
//! (GNU tar manual, "Storing Sparse Files").

use graphdriver_api::Result;
use tar::{GnuSparseHeader, Header};

use super::entry::bad;
use super::extended::{Records, number};

/// Where the bytes that are stored belong.
#[derive(Debug, Default)]
pub(super) struct Map {
    /// Offset and length, in the order of the stored bytes.
    pub(super) pieces: Vec<(u64, u64)>,
    /// The file's length.
    pub(super) len: u64,
}

/// The map of PAX versions 0.0 and 0.1, whose records say it all.
pub(super) fn from_records(records: &Records) -> Result<Option<Map>> {
    let numbers = match records.get("GNU.sparse.map") {
        Some(list) => list.split(|byte| *byte == b',').map(number).collect::<Result<_>>()?,
        None if !records.sparse_pairs.is_empty() => records.sparse_pairs.clone(),
        None => return Ok(None),
    };
    let len = records.number("GNU.sparse.size")?.ok_or_else(damaged)?;
    map(&numbers, len).map(Some)
}

/// The length of a file of PAX version 1.0, whose map lies before its data.
pub(super) fn version_1(records: &Records) -> Result<Option<u64>> {
    match records.get("GNU.sparse.major") {
        Some(b"1") => records.number("GNU.sparse.realsize")?.ok_or_else(damaged).map(Some),
        _ => Ok(None),
    }
}

/// Reads the map before the data of a file of version 1.0: decimal numbers,
/// one a line, padded to whole blocks. `more` gives the next block.
pub(super) fn from_data(len: u64, mut more: impl FnMut() -> Result<[u8; 512]>) -> Result<Map> {
    let mut text = Vec::new();
    let mut numbers = Vec::new();
    loop {
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            numbers.push(number(line.get(..end).unwrap_or_default())?);
            let count = numbers.first().copied().unwrap_or(0);
            if numbers.len() as u64 > count.saturating_mul(2) {
                return map(numbers.get(1..).unwrap_or_default(), len);
            }
        }
        text.extend_from_slice(&more()?);
    }
}

/// Reads GNU's own header, and the blocks that continue it.
pub(super) fn from_header(
    header: &Header,
    mut more: impl FnMut() -> Result<[u8; 512]>,
) -> Result<Map> {
    let gnu = header.as_gnu().ok_or_else(damaged)?;
    let len = gnu.real_size().map_err(|_| damaged())?;
    let mut numbers = Vec::new();
    take(&gnu.sparse, &mut numbers)?;
    let mut extended = gnu.is_extended();
    while extended {
        let block = more()?;
        let mut next = tar::GnuExtSparseHeader::new();
        next.as_mut_bytes().copy_from_slice(&block);
        take(next.sparse(), &mut numbers)?;
        extended = next.is_extended();
    }
    map(&numbers, len)
}

fn take(pieces: &[GnuSparseHeader], numbers: &mut Vec<u64>) -> Result<()> {
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        numbers.push(piece.offset().map_err(|_| damaged())?);
        numbers.push(piece.length().map_err(|_| damaged())?);
    }
    Ok(())
}

fn map(numbers: &[u64], len: u64) -> Result<Map> {
    let mut map = Map { pieces: Vec::new(), len };
    let mut end = 0;
    for pair in numbers.chunks(2) {
        let [offset, length] = *pair else { return Err(damaged()) };
        if offset < end || offset.checked_add(length).is_none_or(|end| end > len) {
            return Err(damaged());
        }
        end = offset + length;
        map.pieces.push((offset, length));
    }
    Ok(map)
}

fn damaged() -> graphdriver_api::Error {
    bad(b"", "the map of a sparse file is damaged")
}
