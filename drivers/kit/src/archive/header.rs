//! The 512 bytes that precede every entry: ustar, GNU, star and V7 headers.
//!
//! Pure: bytes in, values or the broken rule out.

use super::rule::{Parsed, Rule};

/// Everything in a tar archive comes in multiples of this.
pub const BLOCK: usize = 512;

/// A block of an archive.
pub type Block = [u8; BLOCK];

/// Who wrote the header, which decides what its last part means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Before POSIX: nothing after the link's name.
    V7,
    /// POSIX: a prefix for the name.
    Ustar,
    /// GNU: times and a map of sparse files there instead.
    Gnu,
}

/// A header's fields as they stand in it, numbers decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The type flag.
    pub flag: u8,
    /// Who wrote it.
    pub dialect: Dialect,
    /// The name, with its prefix.
    pub name: Vec<u8>,
    /// The target of a link.
    pub link: Vec<u8>,
    /// Permission bits, and whatever else was in the field.
    pub mode: i64,
    /// The owner.
    pub uid: i64,
    /// The group.
    pub gid: i64,
    /// Bytes that follow.
    pub size: i64,
    /// Seconds.
    pub mtime: i64,
    /// Device number, major part.
    pub major: i64,
    /// Device number, minor part.
    pub minor: i64,
}

impl Header {
    /// Reads a header whose checksum is right.
    ///
    /// # Errors
    /// The broken rule: a wrong checksum, or a field that isn't a number.
    pub fn parse(block: &Block) -> Parsed<Self> {
        verify_checksum(block)?;
        let dialect = dialect(block);
        let device = |at| if dialect == Dialect::V7 { Ok(0) } else { number(field(block, at, 8)) };
        Ok(Self {
            flag: block[156],
            dialect,
            name: name(block, dialect),
            link: text(field(block, 157, 100)).to_vec(),
            mode: number(field(block, 100, 8))?,
            uid: number(field(block, 108, 8))?,
            gid: number(field(block, 116, 8))?,
            size: number(field(block, 124, 12))?,
            mtime: number(field(block, 136, 12))?,
            major: device(329)?,
            minor: device(337)?,
        })
    }
}

/// Whether all bytes are zero: such blocks end an archive.
#[must_use]
pub fn is_zero(bytes: &[u8]) -> bool {
    // Without an early exit within 64 bytes this is vector code.
    let mut chunks = bytes.chunks_exact(64);
    chunks.by_ref().all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
        && chunks.remainder().iter().all(|byte| *byte == 0)
}

/// The bytes of a field. Offsets are constants of the format, so an empty
/// slice never really comes out.
pub(super) fn field(block: &Block, at: usize, len: usize) -> &[u8] {
    block.get(at..at + len).unwrap_or_default()
}

/// A field's text: up to the first zero byte, if there is one.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn dialect(block: &Block) -> Dialect {
    match field(block, 257, 8) {
        b"ustar  \0" => Dialect::Gnu,
        magic if magic.starts_with(b"ustar\0") => Dialect::Ustar,
        _ => Dialect::V7,
    }
}

fn name(block: &Block, dialect: Dialect) -> Vec<u8> {
    let name = text(field(block, 0, 100));
    if dialect != Dialect::Ustar {
        return name.to_vec();
    }
    // star keeps times in the last 24 bytes of the prefix.
    let len = if field(block, 508, 4) == b"tar\0" { 131 } else { 155 };
    match text(field(block, 345, len)) {
        b"" => name.to_vec(),
        prefix => [prefix, b"/", name].concat(),
    }
}

/// The sum of all bytes, the checksum's own being taken as spaces; old
/// programs took the bytes for signed.
fn verify_checksum(block: &Block) -> Parsed<()> {
    let found = number(field(block, 148, 8)).map_err(|_| Rule::from(NOT_A_HEADER))?;
    let (before, after) = (field(block, 0, 148), field(block, 156, BLOCK - 156));
    let bytes = || before.iter().chain(after).copied();
    let spaces = i64::from(b' ') * 8;
    let unsigned = bytes().map(i64::from).sum::<i64>() + spaces;
    let signed = bytes().map(|byte| i64::from(byte.cast_signed())).sum::<i64>() + spaces;
    if found == unsigned || found == signed { Ok(()) } else { Err(NOT_A_HEADER.into()) }
}

const NOT_A_HEADER: &str = "a header whose checksum is wrong: it is damaged, or not a tar archive";

/// A number: octal digits between spaces and zero bytes, or (GNU) two's
/// complement in base 256, told by the first bit.
pub(super) fn number(field: &[u8]) -> Parsed<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base_256(field),
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Parsed<i64> {
    let digits = field.trim_ascii_start();
    let digits = digits.split(|byte| matches!(byte, 0 | b' ')).next().unwrap_or_default();
    let rest = field.trim_ascii_start().get(digits.len()..).unwrap_or_default();
    if rest.iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return Err("a number field with something after the number".into());
    }
    digits.iter().try_fold(0_i64, |number, digit| match digit {
        // At most 12 digits: 36 bits.
        b'0'..=b'7' => Ok((number << 3) | i64::from(digit - b'0')),
        _ => Err("a number field that isn't octal".into()),
    })
}

fn base_256(field: &[u8]) -> Parsed<i64> {
    let negative = field.first().is_some_and(|first| first & 0x40 != 0);
    let start = if negative { -1_i128 } else { 0 };
    // At most 12 bytes: 96 bits.
    let wide = field.iter().enumerate().fold(start, |number, (at, byte)| {
        // The first bit only tells that this is no octal number.
        let byte = if at == 0 && !negative { byte & 0x7f } else { *byte };
        (number << 8) | i128::from(byte)
    });
    i64::try_from(wide).map_err(|_| "a number that is too large".into())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Puts the right checksum into a header.
    pub(in crate::archive) fn seal(block: &mut Block) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    #[test]
    fn numbers() {
        for (field, number) in [
            (&b"0000644\0"[..], 0o644),
            (b"   644 \0", 0o644),
            (b"644\0\0\0\0\0", 0o644),
            (b"\0\0\0\0\0\0\0\0", 0),
            (b"        ", 0),
            (b"77777777", 0o77_777_777),
            (b"\x80\0\0\0\0\x20\0\0", 0x20_0000),
            (b"\x80\0\0\0\xff\xff\xff\xff", 0xffff_ffff),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", i64::MAX),
            (b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", i64::MIN),
        ] {
            assert_eq!(super::number(field), Ok(number), "{field:?}");
        }
        for field in [&b"0000648\0"[..], b"644 7   ", b"-1      ", b"6\0x", b"0x1"] {
            assert!(super::number(field).is_err(), "{field:?}");
        }
        assert!(super::number(b"\x80\0\0\x01\0\0\0\0\0\0\0\0").is_err());
        assert!(super::number(b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    }

    #[test]
    fn the_last_part_belongs_to_the_dialect() {
        let mut block = [0; BLOCK];
        block[..4].copy_from_slice(b"name");
        block[345..351].copy_from_slice(b"prefix");
        for (magic, name) in
            [(&b"ustar\x0000"[..], &b"prefix/name"[..]), (b"ustar  \0", b"name"), (b"", b"name")]
        {
            block[257..265].fill(0);
            block[257..257 + magic.len()].copy_from_slice(magic);
            seal(&mut block);
            assert_eq!(Header::parse(&block).unwrap().name, name);
        }
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[345..500].fill(b'p');
        block[508..512].copy_from_slice(b"tar\0");
        seal(&mut block);
        assert_eq!(Header::parse(&block).unwrap().name.len(), 131 + 5);
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let mut block = [0; BLOCK];
        block[..4].copy_from_slice(b"name");
        seal(&mut block);
        assert!(Header::parse(&block).is_ok());
        // Not those of the checksum itself, where a zero and a space can mean
        // the same.
        for bit in (0..148 * 8).chain(156 * 8..BLOCK * 8) {
            let mut damaged = block;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::parse(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn zeros() {
        let mut bytes = [0; 1000];
        assert!(is_zero(&bytes) && is_zero(&[]));
        for at in [0, 63, 64, 959, 999] {
            bytes[at] = 1;
            assert!(!is_zero(&bytes));
            bytes[at] = 0;
        }
    }
}
