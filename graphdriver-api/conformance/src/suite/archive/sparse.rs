//! Sparse files in archives, as GNU tar writes them: in the old GNU format,
//! and in the three versions that use PAX records.

use super::header::{Format, Item};
use super::{BLOCK, pad};

/// A file with holes.
#[derive(Debug, Clone)]
pub(in super::super) struct Map {
    /// Its length.
    pub(in super::super) size: u64,
    /// What isn't a hole: offset and bytes, in order.
    pub(in super::super) data: Vec<(u64, Vec<u8>)>,
}

impl Map {
    /// The file's bytes.
    pub(in super::super) fn content(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (offset, data) in &self.data {
            bytes.resize(usize::try_from(*offset).unwrap_or(usize::MAX), 0);
            bytes.extend(data);
        }
        bytes.resize(usize::try_from(self.size).unwrap_or(usize::MAX), 0);
        bytes
    }

    fn packed(&self) -> Vec<u8> {
        self.data.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    fn numbers(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.data.iter().map(|(offset, bytes)| (*offset, bytes.len() as u64))
    }
}

/// The old GNU format: type `S`, with the first four parts of the map in the
/// header and 21 in each block that follows.
pub(in super::super) fn gnu_sparse(path: &str, map: &Map) -> Item {
    let parts: Vec<_> = map.numbers().collect();
    let (first, rest) = parts.split_at(parts.len().min(4));
    let mut item = Item::new(b'S', path).format(Format::Gnu).size(map.packed().len() as u64);
    item = item.patch(386, table(first));
    item = item.patch(482, [u8::from(!rest.is_empty())]);
    item = item.patch(483, format!("{:011o}", map.size));
    let mut blocks = rest.chunks(21).peekable();
    let mut data = Vec::new();
    while let Some(chunk) = blocks.next() {
        let mut block = table(chunk);
        block.resize(504, 0);
        block.push(u8::from(blocks.peek().is_some()));
        block.resize(BLOCK, 0);
        data.extend(block);
    }
    data.extend(map.packed());
    item.data(data)
}

fn table(parts: &[(u64, u64)]) -> Vec<u8> {
    let text = parts.iter().map(|(offset, length)| format!("{offset:011o}\0{length:011o}\0"));
    text.collect::<String>().into_bytes()
}

/// A version of the format with PAX records: `0.0`, `0.1` or `1.0`.
pub(in super::super) fn pax_sparse(version: &str, path: &str, map: &Map) -> Item {
    let count = map.data.len();
    match version {
        "0.0" => {
            let mut item = Item::file(path, map.packed())
                .pax("GNU.sparse.size", map.size.to_string())
                .pax("GNU.sparse.numblocks", count.to_string());
            for (offset, length) in map.numbers() {
                item = item.pax("GNU.sparse.offset", offset.to_string());
                item = item.pax("GNU.sparse.numbytes", length.to_string());
            }
            item
        }
        "0.1" => {
            let numbers: Vec<_> = map.numbers().map(|(o, n)| format!("{o},{n}")).collect();
            Item::file("GNUSparseFile.0/hidden", map.packed())
                .pax("GNU.sparse.name", path)
                .pax("GNU.sparse.size", map.size.to_string())
                .pax("GNU.sparse.numblocks", count.to_string())
                .pax("GNU.sparse.map", numbers.join(","))
        }
        _ => {
            let numbers: String = map.numbers().map(|(o, n)| format!("{o}\n{n}\n")).collect();
            let mut data = format!("{count}\n{numbers}").into_bytes();
            pad(&mut data);
            data.extend(map.packed());
            Item::file("GNUSparseFile.0/hidden", data)
                .pax("GNU.sparse.major", "1")
                .pax("GNU.sparse.minor", "0")
                .pax("GNU.sparse.name", path)
                .pax("GNU.sparse.realsize", map.size.to_string())
        }
    }
}
