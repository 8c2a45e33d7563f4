//! How the layers of an image are compressed.

use std::io::{self, Write};
use std::str::FromStr;

use flate2::write::GzEncoder;

/// The compression of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Plain tar.
    None,
    /// As most registries have it.
    Gzip,
    /// Newer, and faster to unpack.
    Zstd,
}

/// Fast ones: nobody keeps these images.
const GZIP_LEVEL: u32 = 1;
const ZSTD_LEVEL: i32 = 1;

impl Compression {
    /// What follows `tar` in a media type.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => "+gzip",
            Self::Zstd => "+zstd",
        }
    }

    /// Compresses what `write` writes.
    pub(crate) fn wrap<T>(
        self,
        out: &mut dyn Write,
        write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
    ) -> io::Result<T> {
        match self {
            Self::None => write(out),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, flate2::Compression::new(GZIP_LEVEL));
                let result = write(&mut encoder)?;
                encoder.finish()?;
                Ok(result)
            }
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(out, ZSTD_LEVEL)?;
                let result = write(&mut encoder)?;
                encoder.finish()?;
                Ok(result)
            }
        }
    }
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(format!("compression `{text}` is unknown: choose none, gzip or zstd")),
        }
    }
}
