//! The parts of an outline, one after the other: bytes as they are, and files
//! whose bytes are in the layer's tree.
//!
//! ```text
//! 1 LENGTH bytes                bytes of the archive
//! 2 LENGTH path SIZE crc32      the bytes of the file at this path
//! 0                             the end
//! ```
//!
//! Numbers are LEB128, the checksum is four bytes, the lowest first. Nothing
//! here compresses or touches a file.

use std::io::{self, Read, Write};

const END: u8 = 0;
const BYTES: u8 = 1;
const FILE: u8 = 2;

/// Bytes of one part at most. Longer runs are several parts.
pub const MAX_BYTES: usize = 64 << 10;

/// Bytes of a path at most. What an archive's extension records may hold is
/// less.
pub const MAX_PATH: usize = 16 << 20;

/// A part of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// All bytes of a file.
    File(FileRef),
}

/// A file of the layer's tree whose bytes stand in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// Its path as the archive spells it.
    pub path: Vec<u8>,
    /// How many bytes it has.
    pub size: u64,
    /// CRC-32 (IEEE) of them: tells *which* file is damaged, where the layer's
    /// digest tells only that one is.
    pub crc: u32,
}

/// Writes bytes, in as many parts as it takes.
///
/// # Errors
/// Those of `out`.
pub fn put_bytes(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    for chunk in bytes.chunks(MAX_BYTES) {
        out.write_all(&[BYTES])?;
        put_number(out, chunk.len() as u64)?;
        out.write_all(chunk)?;
    }
    Ok(())
}

/// Writes a reference.
///
/// # Errors
/// Those of `out`; `InvalidInput` for a path over [`MAX_PATH`].
pub fn put_file(out: &mut dyn Write, file: &FileRef) -> io::Result<()> {
    if file.path.len() > MAX_PATH {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path is too long"));
    }
    out.write_all(&[FILE])?;
    put_number(out, file.path.len() as u64)?;
    out.write_all(&file.path)?;
    put_number(out, file.size)?;
    out.write_all(&file.crc.to_le_bytes())
}

/// Writes the end.
///
/// # Errors
/// Those of `out`.
pub fn put_end(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[END])
}

fn put_number(out: &mut dyn Write, mut number: u64) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(10);
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    out.write_all(&bytes)
}

/// Reads the next part; `None` at the end.
///
/// Memory: [`MAX_BYTES`] or [`MAX_PATH`], and never more than was there to be
/// read.
///
/// # Errors
/// `InvalidData` for what is no part; `UnexpectedEof` if it breaks off; those
/// of `from`.
pub fn next(from: &mut dyn Read) -> io::Result<Option<Part>> {
    match byte(from)? {
        END => Ok(None),
        BYTES => Ok(Some(Part::Bytes(run(from, MAX_BYTES)?))),
        FILE => {
            let path = run(from, MAX_PATH)?;
            let size = number(from)?;
            let mut crc = [0; 4];
            from.read_exact(&mut crc)?;
            Ok(Some(Part::File(FileRef { path, size, crc: u32::from_le_bytes(crc) })))
        }
        _ => Err(damaged("an unknown part")),
    }
}

fn run(from: &mut dyn Read, limit: usize) -> io::Result<Vec<u8>> {
    let len = number(from)?;
    if len > limit as u64 {
        return Err(damaged("a part that is too long"));
    }
    let mut bytes = Vec::new();
    from.take(len).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == len { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn number(from: &mut dyn Read) -> io::Result<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = byte(from)?;
        let bits = u64::from(byte & 0x7f);
        let placed = bits << shift;
        if placed >> shift != bits {
            break;
        }
        number |= placed;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(damaged("a number that is too large"))
}

fn byte(from: &mut dyn Read) -> io::Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part() -> impl Strategy<Value = Part> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 1..300).prop_map(Part::Bytes),
            (prop::collection::vec(any::<u8>(), 0..300), any::<u64>(), any::<u32>())
                .prop_map(|(path, size, crc)| Part::File(FileRef { path, size, crc })),
        ]
    }

    proptest! {
        #[test]
        fn parts_come_back(parts in prop::collection::vec(part(), 0..20)) {
            let mut bytes = Vec::new();
            for part in &parts {
                match part {
                    Part::Bytes(run) => put_bytes(&mut bytes, run).unwrap(),
                    Part::File(file) => put_file(&mut bytes, file).unwrap(),
                }
            }
            put_end(&mut bytes).unwrap();
            let mut rest = &bytes[..];
            for part in parts {
                prop_assert_eq!(next(&mut rest).unwrap(), Some(part));
            }
            prop_assert_eq!(next(&mut rest).unwrap(), None);
            prop_assert!(rest.is_empty());
            for cut in 0..bytes.len() {
                let mut rest = &bytes[..cut];
                while let Ok(Some(_)) = next(&mut rest) {}
                prop_assert!(next(&mut rest).is_err());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut rest = &bytes[..];
            while let Ok(Some(_)) = next(&mut rest) {}
        }
    }

    #[test]
    fn lengths_are_not_believed() {
        for bytes in [
            &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1][..],
            &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            &[2, 0xff, 0xff, 0xff, 0x7f],
            &[3],
        ] {
            let error = next(&mut &bytes[..]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
    }
}
