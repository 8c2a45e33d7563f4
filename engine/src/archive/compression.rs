//! Compression, known by the first bytes and never by a file's name.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::problem::{Problem, Result};

/// Bytes that are enough to [recognise](Compression::of) every kind.
pub(crate) const MAGIC_LEN: usize = 6;

/// What decompressing may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decoding {
    /// The largest zstd window that is honoured, as a power of two.
    pub(crate) window_log: u32,
    /// How many times as many bytes may come out as go in, once
    /// [`FREE`] have come out.
    pub(crate) expansion: u64,
}

impl Default for Decoding {
    /// A window of 128 MiB, which is what zstd(1) itself decodes without being
    /// asked for more: levels up to 19 use 8 MiB. Expansion: a layer of more
    /// than a gigabyte of which 99.6% is repetition is no root file system.
    fn default() -> Self {
        Self { window_log: 27, expansion: 250 }
    }
}

/// Bytes that may come out of however few: small files of zeros are common.
const FREE: u64 = 1 << 30;

/// The most memory that an xz stream may ask for, in KiB: enough for `xz -9`.
const XZ_MEMORY: u32 = 80 << 10;

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
}

impl Compression {
    /// What `start`, the first bytes, shows. Whatever isn't recognised isn't
    /// compressed.
    pub(crate) fn of(start: &[u8]) -> Result<Self> {
        // A zstd archive may begin with a skippable frame (RFC 8878, 3.1.2),
        // which is how seekable variants hold their table.
        let skippable = matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        Ok(match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ if skippable => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
                return Err(Problem::new(
                    "it is compressed with bzip2, which isn't supported; unpack it with bunzip2",
                ));
            }
            _ => Self::None,
        })
    }

    /// The bytes of `source` without compression, to the end of the last
    /// member or frame. Something else behind that is an error.
    ///
    /// Memory: some 300 KiB for gzip, the frame's window for zstd, the
    /// stream's dictionary for xz.
    pub(crate) fn decode<'a>(
        self,
        source: impl BufRead + Send + 'a,
        limits: Decoding,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        let passed = Arc::new(AtomicU64::new(0));
        let counted = Counted { source, passed: Arc::clone(&passed) };
        let decoder: Box<dyn Read + Send + 'a> = match self {
            Self::None => return Ok(Box::new(counted.source)),
            Self::Gzip => Box::new(MultiGzDecoder::new(counted)),
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(counted)?;
                decoder.window_log_max(limits.window_log)?;
                Box::new(decoder)
            }
            Self::Xz => Box::new(XzReader::new_mem_limit(counted, true, XZ_MEMORY)),
        };
        Ok(Box::new(Checked { decoder, passed, came: 0, limits }))
    }
}

/// Counts what a decoder takes.
struct Counted<R> {
    source: R,
    passed: Arc<AtomicU64>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read(buf)?;
        self.passed.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.source.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.passed.fetch_add(amount as u64, Ordering::Relaxed);
        self.source.consume(amount);
    }
}

/// Ends where far more has come out than went in.
struct Checked<'a> {
    decoder: Box<dyn Read + Send + 'a>,
    passed: Arc<AtomicU64>,
    came: u64,
    limits: Decoding,
}

impl Read for Checked<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.decoder.read(buf).map_err(|e| self.explain(e))?;
        self.came += got as u64;
        let passed = self.passed.load(Ordering::Relaxed);
        if self.came > FREE && self.came > passed.saturating_mul(self.limits.expansion) {
            return Err(io::Error::other(format!(
                "it unpacks to more than {0} times its size (limit expansion); --limit \
                 expansion=VALUE would allow more",
                self.limits.expansion
            )));
        }
        Ok(got)
    }
}

impl Checked<'_> {
    /// zstd's own words don't say how large a window may be, and who says so.
    fn explain(&self, error: io::Error) -> io::Error {
        if !error.to_string().contains("requires too much memory") {
            return error;
        }
        io::Error::other(format!(
            "its zstd window is larger than {} MiB (limit zstd-window); --limit \
             zstd-window=VALUE would allow more",
            (1_u64 << self.limits.window_log) >> 20
        ))
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "not compressed",
            Self::Gzip => "compressed with gzip",
            Self::Zstd => "compressed with zstd",
            Self::Xz => "compressed with xz",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let kind = Compression::of(bytes).unwrap();
        let mut out = Vec::new();
        kind.decode(Cursor::new(bytes), Decoding::default())?.read_to_end(&mut out)?;
        Ok(out)
    }

    /// `printf hello | xz -9`
    const XZ: &[u8] =
        &[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21];

    #[test]
    fn kinds_are_known_by_their_first_bytes() {
        let rows = [
            (gzip(b"x"), Compression::Gzip),
            (zstd::encode_all(&b"x"[..], 1).unwrap(), Compression::Zstd),
            (vec![0x5a, 0x2a, 0x4d, 0x18, 0, 0, 0, 0], Compression::Zstd),
            (XZ.to_vec(), Compression::Xz),
            (b"plain".to_vec(), Compression::None),
            (Vec::new(), Compression::None),
        ];
        for (bytes, kind) in rows {
            assert_eq!(Compression::of(&bytes).unwrap(), kind);
        }
        assert!(Compression::of(b"BZh91AY").unwrap_err().to_string().contains("bzip2"));
    }

    #[test]
    fn members_and_frames_may_follow_one_another() {
        let twice = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(decode(&twice).unwrap(), b"one two");
        let frame = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        let skip = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
        let frames = [frame(b"one "), skip.to_vec(), frame(b"two")].concat();
        assert_eq!(decode(&frames).unwrap(), b"one two");
    }

    #[test]
    fn what_is_cut_off_or_has_a_tail_is_an_error() {
        for whole in [gzip(&[5; 9999]), zstd::encode_all(&[5; 9999][..], 1).unwrap()] {
            assert!(decode(&whole[..whole.len() - 1]).is_err());
            assert!(decode(&[&whole[..], b"tail"].concat()).is_err());
        }
    }
}
