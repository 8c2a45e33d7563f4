//! The content of a file as a length and a digest that doesn't see holes.

use std::fmt;

use sha2::{Digest, Sha256};

/// The unit in which zeros are left out of the digest.
const BLOCK: usize = 4096;

/// What a regular file holds. Two are equal if and only if the files read the
/// same, wherever either has holes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content {
    /// Bytes, holes included.
    pub len: u64,
    digest: [u8; 32],
}

impl Content {
    /// The content that consists of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut digester = Digester::default();
        digester.update(0, bytes);
        digester.finish(bytes.len() as u64)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes ", self.len)?;
        self.digest.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Takes a file's data piece by piece, ascending; what isn't told is zeros.
///
/// The digest is SHA-256 over each block that isn't all zeros, with its number
/// before it, and over the length at the end. So a hole of a terabyte costs
/// nothing.
pub struct Digester {
    hash: Sha256,
    block: Box<[u8; BLOCK]>,
    /// The number of the block that is being filled.
    number: u64,
}

impl Default for Digester {
    fn default() -> Self {
        Self { hash: Sha256::new(), block: Box::new([0; BLOCK]), number: 0 }
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digester").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Digester {
    /// The file has `bytes` at `offset`, which is behind all that was told
    /// before.
    pub fn update(&mut self, mut offset: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (number, within) = (offset / BLOCK as u64, (offset % BLOCK as u64) as usize);
            if number != self.number {
                self.flush();
                self.number = number;
            }
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - within));
            if let Some(room) = self.block.get_mut(within..within + now.len()) {
                room.copy_from_slice(now);
            }
            offset += now.len() as u64;
            bytes = later;
        }
    }

    /// The content of the file, which has `len` bytes in all.
    #[must_use]
    pub fn finish(mut self, len: u64) -> Content {
        self.flush();
        self.hash.update(len.to_le_bytes());
        Content { len, digest: self.hash.finalize().into() }
    }

    fn flush(&mut self) {
        if self.block.iter().any(|byte| *byte != 0) {
            self.hash.update(self.number.to_le_bytes());
            self.hash.update(self.block.as_slice());
            self.block.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_zeros_and_nothing_else_is() {
        let mut bytes = vec![0; 3 * BLOCK + 17];
        bytes[BLOCK - 1..BLOCK + 2].copy_from_slice(b"abc");
        bytes[3 * BLOCK] = 1;
        let mut pieces = Digester::default();
        pieces.update(BLOCK as u64 - 1, b"abc");
        pieces.update(3 * BLOCK as u64, &[1]);
        assert_eq!(Content::of(&bytes), pieces.finish(bytes.len() as u64));

        let mut moved = Digester::default();
        moved.update(BLOCK as u64 - 1, b"abc");
        moved.update(2 * BLOCK as u64, &[1]);
        assert_ne!(Content::of(&bytes), moved.finish(bytes.len() as u64));
        assert_ne!(Content::of(&[0; 5]), Content::of(&[0; 6]));
        assert_eq!(Content::of(b""), Digester::default().finish(0));
    }
}
