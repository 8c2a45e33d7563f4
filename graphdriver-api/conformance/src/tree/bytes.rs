//! The content of a file, of which only what isn't a hole takes memory.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::snapshot::{Content, Digester};

/// A file's bytes: runs of data, and zeros between and behind them.
#[derive(Debug, Clone, Default)]
pub struct Bytes {
    len: u64,
    /// Data by offset; runs never overlap and are never empty.
    runs: BTreeMap<u64, Vec<u8>>,
    content: OnceLock<Content>,
}

impl Bytes {
    /// These bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut all = Self::default();
        all.write(0, bytes);
        all
    }

    /// How many bytes, holes included.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every run of data with its offset, ascending.
    pub fn runs(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.runs.iter().map(|(offset, data)| (*offset, data.as_slice()))
    }

    /// Length and digest; computed once.
    #[must_use]
    pub fn content(&self) -> Content {
        *self.content.get_or_init(|| {
            let mut digester = Digester::default();
            for (offset, data) in self.runs() {
                digester.update(offset, data);
            }
            digester.finish(self.len)
        })
    }

    /// Writes at an offset; what lies between the end and there becomes a
    /// hole.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len() as u64;
        self.punch(offset, end);
        self.runs.insert(offset, bytes.to_vec());
        self.len = self.len.max(end);
    }

    /// Makes zeros of the bytes from `from` to before `to`; the length stays.
    pub fn punch(&mut self, from: u64, to: u64) {
        self.content = OnceLock::new();
        let hit: Vec<u64> = self
            .runs
            .range(..to)
            .rev()
            .take_while(|(offset, data)| **offset + data.len() as u64 > from)
            .map(|(offset, _)| *offset)
            .collect();
        for offset in hit {
            let Some(data) = self.runs.remove(&offset) else { continue };
            self.keep(offset, &data, 0, from);
            self.keep(offset, &data, to, u64::MAX);
        }
    }

    /// Puts back the part of a run that lies from `from` to before `to`.
    fn keep(&mut self, offset: u64, data: &[u8], from: u64, to: u64) {
        let end = offset + data.len() as u64;
        let (from, to) = (from.clamp(offset, end), to.clamp(offset, end));
        let within = |at: u64| usize::try_from(at - offset).unwrap_or(usize::MAX);
        match data.get(within(from)..within(to)) {
            Some(part) if !part.is_empty() => self.runs.insert(from, part.to_vec()),
            _ => None,
        };
    }

    /// Cuts it off, or lengthens it with a hole.
    pub fn set_len(&mut self, len: u64) {
        self.punch(len, u64::MAX);
        self.len = len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(bytes: &Bytes) -> Vec<u8> {
        let mut flat = vec![0; usize::try_from(bytes.len()).unwrap()];
        for (offset, data) in bytes.runs() {
            let offset = usize::try_from(offset).unwrap();
            flat[offset..offset + data.len()].copy_from_slice(data);
        }
        flat
    }

    #[test]
    fn it_reads_as_a_vector_would() {
        let mut bytes = Bytes::of(b"abcdefgh");
        bytes.write(2, b"XY");
        assert_eq!(flat(&bytes), b"abXYefgh");
        bytes.punch(1, 3);
        assert_eq!(flat(&bytes), b"a\0\0Yefgh");
        bytes.set_len(5);
        bytes.set_len(7);
        assert_eq!(flat(&bytes), b"a\0\0Ye\0\0");
        bytes.write(9, b"z");
        assert_eq!(flat(&bytes), b"a\0\0Ye\0\0\0\0z");
        assert_eq!(bytes.content(), Content::of(b"a\0\0Ye\0\0\0\0z"));
        bytes.punch(0, 100);
        assert_eq!(bytes.content(), Content::of(&[0; 10]));
        assert_eq!(bytes.runs().count(), 0);
    }
}
