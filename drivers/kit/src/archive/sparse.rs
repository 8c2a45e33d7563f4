//! Maps of sparse files, in the four forms that GNU tar has written them:
//! in the header (`S`), and three generations of PAX records.
//!
//! Pure. Every map is checked to be in order, within the file, and to account
//! for exactly the bytes that the archive holds.

use super::header::{Block, field, number};
use super::pax;
use super::rule::Parsed;

/// A part of a file whose bytes are in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where in the file.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
}

/// What of a file is in the archive; the rest is holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    size: u64,
    stored: u64,
    end: u64,
    extents: Vec<Extent>,
}

impl Map {
    /// A map of a file of `size` bytes, all of them hole so far.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self { size, stored: 0, end: 0, extents: Vec::new() }
    }

    /// Adds a part.
    ///
    /// # Errors
    /// One that lies before the end of the previous one, or beyond the file.
    pub fn push(&mut self, extent: Extent) -> Parsed<()> {
        let end = extent.offset.checked_add(extent.len);
        let Some(end) = end.filter(|end| extent.offset >= self.end && *end <= self.size) else {
            return Err("a map of a sparse file that is out of order or exceeds the file".into());
        };
        // GNU tar ends a map with an empty part at the end of the file.
        if extent.len > 0 {
            self.extents.push(extent);
            self.stored += extent.len;
        }
        self.end = end;
        Ok(())
    }

    /// The map, if it accounts for the `stored` bytes in the archive.
    ///
    /// # Errors
    /// It doesn't.
    pub fn checked(self, stored: u64) -> Parsed<Self> {
        if self.stored == stored {
            return Ok(self);
        }
        Err("a map of a sparse file that doesn't account for the entry's bytes".into())
    }

    /// Bytes of the file, holes included.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The parts that are in the archive, in order.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }
}

/// Reads the first part of a map from a GNU header; true if more blocks of it
/// follow.
///
/// # Errors
/// As [`Map::push`]; a field that isn't a number.
pub fn from_header(block: &Block) -> Parsed<(Map, bool)> {
    let mut map = Map::new(natural(field(block, 483, 12))?);
    descriptors(&mut map, field(block, 386, 4 * 24))?;
    Ok((map, block[482] != 0))
}

/// Reads a further block of a GNU map; true if more follow.
///
/// # Errors
/// As [`from_header`].
pub fn from_extension(map: &mut Map, block: &Block) -> Parsed<bool> {
    descriptors(map, field(block, 0, 21 * 24))?;
    Ok(block[504] != 0)
}

fn descriptors(map: &mut Map, bytes: &[u8]) -> Parsed<()> {
    for descriptor in bytes.chunks_exact(24) {
        let (offset, len) = descriptor.split_at(12);
        if len.first() == Some(&0) {
            break;
        }
        map.push(Extent { offset: natural(offset)?, len: natural(len)? })?;
    }
    Ok(())
}

fn natural(field: &[u8]) -> Parsed<u64> {
    u64::try_from(number(field)?).map_err(|_| "a map of a sparse file with negative numbers".into())
}

/// Makes a map of the numbers in PAX records: offset, length, offset, length.
///
/// # Errors
/// As [`Map::push`]; an offset without a length.
pub fn from_pairs(size: u64, numbers: &[u64]) -> Parsed<Map> {
    let mut map = Map::new(size);
    let mut pairs = numbers.chunks_exact(2);
    for pair in pairs.by_ref() {
        if let [offset, len] = *pair {
            map.push(Extent { offset, len })?;
        }
    }
    if pairs.remainder().is_empty() { Ok(map) } else { Err(DAMAGED.into()) }
}

const DAMAGED: &str = "a damaged map of a sparse file";

/// Reads the map of PAX format 1.0, which stands before the content: the
/// number of parts, then each offset and length, a number a line.
#[derive(Debug, Default)]
pub struct TextMap {
    /// The digits of a number that isn't complete.
    digits: Vec<u8>,
    numbers: Vec<u64>,
}

impl TextMap {
    /// Takes in a block of the map; true if it is complete.
    ///
    /// # Errors
    /// Anything but decimal numbers on lines.
    pub fn feed(&mut self, block: &Block) -> Parsed<bool> {
        for byte in block {
            if self.is_complete() {
                return Ok(true);
            }
            match byte {
                b'\n' => {
                    self.numbers.push(pax::decimal(&self.digits).ok_or(DAMAGED)?);
                    self.digits.clear();
                }
                b'0'..=b'9' if self.digits.len() < 20 => self.digits.push(*byte),
                _ => return Err(DAMAGED.into()),
            }
        }
        Ok(self.is_complete())
    }

    fn is_complete(&self) -> bool {
        // Counted in u128, so that no number of parts can overflow.
        let wanted = self.numbers.first().map(|parts| u128::from(*parts) * 2 + 1);
        wanted.is_some_and(|wanted| self.numbers.len() as u128 >= wanted)
    }

    /// The map of a file of `size` bytes.
    ///
    /// # Errors
    /// As [`from_pairs`].
    pub fn finish(self, size: u64) -> Parsed<Map> {
        from_pairs(size, self.numbers.get(1..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::BLOCK;
    use super::*;

    #[test]
    fn only_maps_in_order_within_the_file_and_of_the_right_sum() {
        let extent = |offset, len| Extent { offset, len };
        let map = from_pairs(100, &[0, 10, 10, 5, 90, 10]).unwrap();
        assert_eq!(map.extents(), [extent(0, 10), extent(10, 5), extent(90, 10)]);
        assert!(map.clone().checked(25).is_ok());
        assert!(map.checked(26).is_err());
        assert_eq!(from_pairs(100, &[100, 0]).unwrap().extents(), []);
        for numbers in [&[10, 5, 9, 1][..], &[0, 101], &[90, 11], &[u64::MAX, 2], &[0, 1, 2]] {
            assert!(from_pairs(100, numbers).is_err(), "{numbers:?}");
        }
    }

    #[test]
    fn text_maps_span_blocks_and_stop_where_they_end() {
        let text = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(text.len().next_multiple_of(BLOCK), 0);
            bytes
        };
        let parse = |bytes: &[u8]| {
            let mut map = TextMap::default();
            for block in bytes.as_chunks::<BLOCK>().0 {
                if map.feed(block)? {
                    return map.finish(1 << 40).map(Some);
                }
            }
            Ok(None)
        };
        assert_eq!(parse(&text("0\n")).unwrap().unwrap().extents(), []);
        let numbers: String = (0..100).map(|i| format!("{}\n5\n", i * 1_000_000_000_u64)).collect();
        let long = text(&format!("100\n{numbers}"));
        assert!(long.len() > 2 * BLOCK);
        assert_eq!(parse(&long).unwrap().unwrap().extents().len(), 100);
        assert_eq!(parse(&long[..BLOCK]).unwrap(), None);
        for bad in ["\n", "1\n2\nx\n", "-1\n", "1 \n", "111111111111111111111\n"] {
            assert!(parse(&text(bad)).is_err(), "{bad:?}");
        }
        assert_eq!(parse(&text(&format!("{}\n1\n1\n", u64::MAX))), Err(DAMAGED.into()));
    }
}
