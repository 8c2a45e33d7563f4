//! Shares of processors: how many, and which.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::{ValueError, refuse};

/// A number of processors, in billionths: `1.5`, `0.25`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus {
    nanos: u64,
}

impl Cpus {
    /// The scheduling period that goes with [`Cpus::quota`], in microseconds.
    pub const PERIOD: u64 = 100_000;

    /// Processor time in one [`Cpus::PERIOD`], in microseconds.
    #[must_use]
    pub fn quota(self) -> i64 {
        // At most u64::MAX / 10_000, so it always fits an i64.
        i64::try_from(self.nanos / (1_000_000_000 / Self::PERIOD)).unwrap_or(i64::MAX)
    }

    /// Billionths of a processor.
    #[must_use]
    pub fn nanos(self) -> u64 {
        self.nanos
    }
}

impl FromStr for Cpus {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match nanos(text) {
            Some(nanos) => Ok(Self { nanos }),
            None => refuse!("{text:?} isn't a number of processors: write 2 or 0.5"),
        }
    }
}

fn nanos(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if text.is_empty() || fraction.len() > 9 || whole.starts_with('+') || fraction.starts_with('+')
    {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u64 = format!("{fraction:0<9}").parse().ok()?;
    whole.checked_mul(1_000_000_000)?.checked_add(fraction)
}

/// A set of processors by number: `0-2,4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuSet {
    text: String,
    numbers: BTreeSet<u32>,
}

/// The kernel's own bound on processor numbers (`NR_CPUS` of any port), so
/// that `0-4294967295` can't fill the memory.
const MAX_CPU: u32 = 8192;

impl CpuSet {
    /// As written, which is what the kernel reads.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How many processors; never 0.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // There is no empty set.
    pub fn len(&self) -> u64 {
        self.numbers.len() as u64
    }

    /// The numbers of this set that aren't in `available`.
    #[must_use]
    pub fn missing_from(&self, available: &Self) -> Vec<u32> {
        self.numbers.difference(&available.numbers).copied().collect()
    }
}

impl FromStr for CpuSet {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut numbers = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (first.parse::<u32>(), last.parse::<u32>()) {
                (Ok(first), Ok(last)) if first <= last && last < MAX_CPU => {
                    numbers.extend(first..=last);
                }
                _ => refuse!("{text:?} isn't a set of processors: write 0-2,4"),
            }
        }
        Ok(Self { text: text.to_owned(), numbers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_become_a_quota() {
        for (text, quota) in [("1", 100_000), ("0.5", 50_000), ("1.5", 150_000), (".01", 1000)] {
            assert_eq!(text.parse::<Cpus>().map(Cpus::quota), Ok(quota), "{text}");
        }
        for bad in ["", "-1", "one", "1.1234567891", "1,5", "99999999999999"] {
            assert!(bad.parse::<Cpus>().is_err(), "{bad}");
        }
    }

    #[test]
    fn cpu_sets() {
        let set: CpuSet = "0-2,4".parse().unwrap();
        assert_eq!(set.as_str(), "0-2,4");
        assert_eq!(set.missing_from(&"0-1".parse().unwrap()), [2, 4]);
        for bad in ["", "a", "2-1", "1-", "-1", "1,,2", "0-4294967295"] {
            assert!(bad.parse::<CpuSet>().is_err(), "{bad}");
        }
    }
}
