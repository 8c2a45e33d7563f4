//! A number of bytes, as people write it: `64K`, `512M`, `1G`.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

impl Size {
    /// `count` times 1024 * 1024 bytes, or the largest size there is.
    #[must_use]
    pub const fn mib(count: u64) -> Self {
        Self(count.saturating_mul(MIB))
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = String;

    /// Reads digits and an optional unit `K`, `M` or `G` (powers of 1024).
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(['K', 'M', 'G']);
        let factor = match text.strip_prefix(digits) {
            Some("") => 1,
            Some("K") => KIB,
            Some("M") => MIB,
            Some("G") => GIB,
            _ => return Err(malformed(text)),
        };
        let count: u64 = digits.parse().map_err(|_| malformed(text))?;
        count.checked_mul(factor).map(Self).ok_or_else(|| malformed(text))
    }
}

fn malformed(text: &str) -> String {
    format!("`{text}` is not a size: write digits and K, M or G, as in 512M")
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes % GIB == 0 => write!(out, "{}G", bytes / GIB),
            bytes if bytes % MIB == 0 => write!(out, "{}M", bytes / MIB),
            bytes if bytes % KIB == 0 => write!(out, "{}K", bytes / KIB),
            bytes => write!(out, "{bytes}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_units() {
        for text in ["1G", "512M", "3K", "17"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        assert_eq!("2G".parse::<Size>().unwrap(), Size::mib(2048));
    }

    #[test]
    fn refuses_what_is_no_size() {
        for text in ["", "M", "1GG", "-1", "1.5G", "1T", "99999999999G"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
