//! What an archive may cost at most, and how people name it.

use std::str::FromStr;

use graphdriver_api::Limits as LayerLimits;

use crate::archive::{Decoding, Problem};
use crate::container::value::Bytes;

/// The most that one archive may be or ask for. What passes a limit is refused
/// by the limit's name, before the work is done, and nothing of it stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of each layer's archive.
    pub(crate) layer: LayerLimits,
    /// Of decompressing.
    pub(crate) decoding: Decoding,
    /// Of manifests, indexes and configurations.
    pub(crate) documents: Documents,
}

/// Limits of an archive's manifests, indexes and configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Documents {
    /// Bytes of one.
    pub(crate) bytes: u64,
}

impl Default for Documents {
    /// Registries take manifests up to 4 MiB.
    fn default() -> Self {
        Self { bytes: 4 << 20 }
    }
}

impl Documents {
    /// Bytes of all that an archive has: they are in memory together.
    pub(crate) fn all(self) -> u64 {
        self.bytes.saturating_mul(8)
    }
}

/// The names, as `--limit` and the configuration file take them.
pub const LIMIT_NAMES: &str = "entries, bytes, depth, xattr-bytes, extension-bytes, expansion, \
                               zstd-window, manifest-bytes";

impl Limits {
    /// Sets the limit of that name. Bytes take Docker's units (`64m`, `2t`);
    /// `entries`, `depth` and `expansion` are plain numbers.
    ///
    /// # Errors
    /// One line: there is no such limit, or the value isn't one for it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "entries" => self.layer.entries = number(name, value)?,
            "bytes" => self.layer.bytes = bytes(name, value)?,
            "depth" => self.layer.depth = number(name, value)?,
            "xattr-bytes" => self.layer.xattr_bytes = small(name, bytes(name, value)?)?,
            "extension-bytes" => self.layer.extension_bytes = small(name, bytes(name, value)?)?,
            "expansion" => self.decoding.expansion = number(name, value)?,
            "zstd-window" => self.decoding.window_log = window(name, bytes(name, value)?)?,
            "manifest-bytes" => self.documents.bytes = bytes(name, value)?,
            _ => return Err(format!("{name:?} is no limit; there are {LIMIT_NAMES}")),
        }
        Ok(())
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("the limit {name} takes a number, not {value:?}"))
}

fn bytes(name: &str, value: &str) -> Result<u64, String> {
    let bytes: Bytes = value.parse().map_err(|e| format!("the limit {name}: {e}"))?;
    Ok(bytes.0)
}

fn small(name: &str, bytes: u64) -> Result<u32, String> {
    u32::try_from(bytes).map_err(|_| format!("the limit {name} can't be above 4 GiB"))
}

/// zstd knows windows of 1 KiB to 2 GiB, in powers of two.
fn window(name: &str, bytes: u64) -> Result<u32, String> {
    match bytes.checked_ilog2() {
        Some(log @ 10..=31) => Ok(log),
        _ => Err(format!("the limit {name} lies between 1 KiB and 2 GiB")),
    }
}

/// Why a layer can't be unpacked, with the way out where it is a limit: the
/// driver's words have it as "(limit NAME)".
pub(crate) fn not_unpacked(error: graphdriver_api::Error) -> Problem {
    let report = error.report();
    let name = report.split_once("(limit ").and_then(|(_, rest)| rest.split_once(')'));
    match name {
        Some((name, _)) => {
            let text = format!("it can't be unpacked; --limit {name}=VALUE would allow more");
            Problem::because(text, error)
        }
        None => Problem::because("it can't be unpacked", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_that_is_named_can_be_set() {
        for name in LIMIT_NAMES.split(", ") {
            let mut limits = Limits::default();
            limits.set(name, "4096").unwrap();
            assert_ne!(limits, Limits::default(), "{name}");
        }
        let mut limits = Limits::default();
        limits.set("bytes", "2t").unwrap();
        assert_eq!(limits.layer.bytes, 2 << 40);
    }

    #[test]
    fn what_is_no_limit_is_named() {
        let mut limits = Limits::default();
        for (name, value, why) in [
            ("entry", "1", "is no limit; there are entries"),
            ("entries", "many", "takes a number"),
            ("depth", "-1", "takes a number"),
            ("bytes", "1x", "isn't a size"),
            ("xattr-bytes", "5g", "4 GiB"),
            ("zstd-window", "1", "between"),
            ("zstd-window", "4g", "between"),
        ] {
            let error = limits.set(name, value).unwrap_err();
            assert!(error.contains(why), "{name}={value}: {error}");
        }
        assert_eq!(limits, Limits::default());
    }
}
