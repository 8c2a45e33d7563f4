//! A layer's archive with zeros in place of the files' bytes that its outline
//! doesn't hold. Unpacked, it is the layer's tree without what fills disks: all
//! attributes, all lengths, and holes.

use std::io::{self, Read};

use super::format::{self, Part};

/// Reads that archive.
pub(super) struct Hollow<R> {
    parts: R,
    /// What is left of the current part.
    bytes: io::Cursor<Vec<u8>>,
    zeros: u64,
    ended: bool,
}

impl<R: Read> Hollow<R> {
    /// Of an outline's parts.
    pub(super) fn new(parts: R) -> Self {
        Self { parts, bytes: io::Cursor::default(), zeros: 0, ended: false }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.zeros > 0 {
            let len = usize::try_from(self.zeros).map_or(buffer.len(), |z| z.min(buffer.len()));
            buffer.get_mut(..len).unwrap_or_default().fill(0);
            self.zeros -= len as u64;
            return Ok(len);
        }
        self.bytes.read(buffer)
    }
}

impl<R: Read> Read for Hollow<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let filled = self.fill(buffer)?;
            if filled > 0 || buffer.is_empty() || self.ended {
                return Ok(filled);
            }
            match format::next(&mut self.parts)? {
                Some(Part::Bytes(bytes)) => self.bytes = io::Cursor::new(bytes),
                Some(Part::File(file)) => self.zeros = file.size,
                None => self.ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::outline::format::FileRef;

    #[test]
    fn files_are_zeros_and_all_else_is_as_it_was() {
        let mut outline = Vec::new();
        let file = |size| FileRef { path: b"f".to_vec(), size, crc: 7 };
        format::put_bytes(&mut outline, b"header").unwrap();
        format::put_file(&mut outline, &file(5)).unwrap();
        format::put_file(&mut outline, &file(0)).unwrap();
        format::put_bytes(&mut outline, b"end").unwrap();
        format::put_end(&mut outline).unwrap();
        let mut found = Vec::new();
        Hollow::new(&outline[..]).read_to_end(&mut found).unwrap();
        assert_eq!(found, b"header\0\0\0\0\0end");
        let cut = &outline[..outline.len() - 1];
        let broken = Hollow::new(cut).read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(broken.kind(), io::ErrorKind::UnexpectedEof);
    }
}
