//! The bytes of an archive, in blocks and in large pieces, and where we are.

use std::io::{self, Read};

use graphdriver_api::{Error, ErrorKind, Op, Result};

use super::header::{BLOCK, Block};

/// How much is read at once: large enough that the calls don't count, small
/// enough to stay in the cache between the reader, a digest and the file.
const BUFFER: usize = 256 * 1024;

/// A reader with a buffer and a position.
pub(super) struct Source<'a> {
    tar: &'a mut dyn Read,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    position: u64,
}

impl<'a> Source<'a> {
    pub(super) fn new(tar: &'a mut dyn Read) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { tar, buffer, start: 0, end: 0, position: 0 }
    }

    /// Bytes handed out so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next block; `None` at the end of the stream.
    pub(super) fn block(&mut self) -> Result<Option<Block>> {
        while self.end - self.start < BLOCK {
            if self.fill()? == 0 {
                return if self.start == self.end { Ok(None) } else { Err(self.cut_off()) };
            }
        }
        let block = self.buffer.get(self.start..).and_then(|rest| rest.first_chunk()).copied();
        self.consume(BLOCK);
        Ok(block)
    }

    /// Hands out the next `len` bytes piece by piece.
    pub(super) fn take(
        &mut self,
        len: u64,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        match self.take_at_most(len, sink)? {
            0 => Ok(()),
            _ => Err(self.cut_off()),
        }
    }

    /// As [`take`](Self::take), but tells how many bytes the stream lacks.
    pub(super) fn take_at_most(
        &mut self,
        len: u64,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64> {
        let mut left = len;
        while left > 0 && (self.start < self.end || self.fill()? > 0) {
            let there = self.buffer.get(self.start..self.end).unwrap_or_default();
            let piece = usize::try_from(left).map_or(there.len(), |left| left.min(there.len()));
            sink(there.get(..piece).unwrap_or_default())?;
            self.consume(piece);
            left -= piece as u64;
        }
        Ok(left)
    }

    /// Reads on to the end of the stream, whatever there is.
    pub(super) fn drain(&mut self) -> Result<()> {
        loop {
            let there = self.end - self.start;
            self.consume(there);
            if self.fill()? == 0 {
                return Ok(());
            }
        }
    }

    fn consume(&mut self, len: usize) {
        self.start += len;
        self.position += len as u64;
    }

    /// Reads some bytes behind those that are there; 0 at the end.
    fn fill(&mut self) -> Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let read = loop {
            match self.tar.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|e| self.failed(e))?,
            }
        };
        self.end += read;
        Ok(read)
    }

    fn cut_off(&self) -> Error {
        let end = self.position + (self.end - self.start) as u64;
        let words = format!("the archive ends within an entry, at byte {end}: it was cut off");
        Error::new(ErrorKind::BadDiff, Op::Apply, words)
    }

    /// What a decompressor or a check finds wrong is the archive's fault, and
    /// everything else the host's.
    fn failed(&self, error: io::Error) -> Error {
        let words = format!("read the archive at byte {}", self.position);
        let damaged =
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
        let error = Error::io(Op::Apply, words, error);
        if damaged { error.with_kind(ErrorKind::BadDiff) } else { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns at most `step` bytes at once, and is interrupted in between.
    struct Slow<'a>(&'a [u8], usize, bool);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.2 = !self.2;
            if self.2 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let step = self.1.min(out.len());
            self.0.read(&mut out[..step])
        }
    }

    #[test]
    fn pieces_do_not_depend_on_how_the_reader_delivers() {
        let data: Vec<u8> = (0..600_000_u32).map(|i| (i % 251) as u8).collect();
        for step in [1, 7, 512, 1 << 20] {
            let mut slow = Slow(&data, step, false);
            let mut source = Source::new(&mut slow);
            assert_eq!(source.block().unwrap().unwrap()[..], data[..512]);
            let mut found = Vec::new();
            source
                .take(400_000, &mut |piece| {
                    found.extend_from_slice(piece);
                    Ok(())
                })
                .unwrap();
            assert_eq!(found, data[512..400_512]);
            assert_eq!(source.block().unwrap().unwrap()[..], data[400_512..401_024]);
            assert_eq!(source.position(), 401_024);
            source.drain().unwrap();
            assert_eq!(source.position(), 600_000);
            assert!(source.block().unwrap().is_none());
        }
    }

    #[test]
    fn a_cut_is_not_an_end() {
        let mut short = &[0; 700][..];
        let mut source = Source::new(&mut short);
        source.block().unwrap();
        assert_eq!(source.block().unwrap_err().kind(), ErrorKind::BadDiff);
        let mut short = &[0; 700][..];
        let mut source = Source::new(&mut short);
        let error = source.take(701, &mut |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("at byte 700"), "{error}");
    }
}
