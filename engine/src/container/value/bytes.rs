//! Sizes in bytes, with Docker's units: powers of 1024, whatever the letter
//! case, with or without a trailing `b` or `ib`.

use std::str::FromStr;

use super::{ValueError, refuse};

/// A number of bytes: `64m`, `1.5g`, `4096`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let Some(shift) = shift_of(unit.trim_start()) else {
            refuse!("{text:?} isn't a size: write a number and b, k, m, g, t or p");
        };
        match scale(number, shift) {
            Some(bytes) => Ok(Self(bytes)),
            None => refuse!("{text:?} isn't a size: write a number and b, k, m, g, t or p"),
        }
    }
}

fn shift_of(unit: &str) -> Option<u32> {
    let unit = unit.to_ascii_lowercase();
    let prefix = unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit);
    match (prefix, unit.as_str()) {
        ("", "ib") => None,
        ("", _) => Some(0),
        ("k", _) => Some(10),
        ("m", _) => Some(20),
        ("g", _) => Some(30),
        ("t", _) => Some(40),
        ("p", _) => Some(50),
        _ => None,
    }
}

/// `number` times 2^`shift`, rounded down; `None` if it isn't a number or
/// doesn't fit. Nine decimals are looked at: enough for a byte of a gigabyte.
fn scale(number: &str, shift: u32) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u128 = whole.parse().ok()?;
    let nanos: u128 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let bytes = (whole << shift).checked_add((nanos << shift) / 1_000_000_000)?;
    u64::try_from(bytes).ok()
}

/// A limit on memory and swap together, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapLimit {
    /// As much swap as there is (`-1`).
    Unlimited,
    /// Memory and swap together.
    Total(Bytes),
}

impl FromStr for SwapLimit {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "-1" { Ok(Self::Unlimited) } else { text.parse().map(Self::Total) }
    }
}

/// Bytes per second to or from one block device: `/dev/sda:1mb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRate {
    /// The device's path on the host.
    pub path: String,
    /// Bytes per second.
    pub rate: Bytes,
}

impl FromStr for DeviceRate {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let Some((path, rate)) = text.rsplit_once(':') else {
            refuse!("{text:?} isn't a device and a rate: write /dev/NAME:RATE");
        };
        if !path.starts_with("/dev/") {
            refuse!("{text:?}: the device must be a path beneath /dev");
        }
        Ok(Self { path: path.to_owned(), rate: rate.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64b", 64),
            ("64m", 64 << 20),
            ("64M", 64 << 20),
            ("64mb", 64 << 20),
            ("64MiB", 64 << 20),
            ("64 mb", 64 << 20),
            ("1g", 1 << 30),
            ("1.5g", 3 << 29),
            ("1t", 1 << 40),
            ("8p", 8 << 50),
        ] {
            assert_eq!(text.parse::<Bytes>(), Ok(Bytes(bytes)), "{text}");
        }
        for bad in ["", "m", ".5k", "-1", "1x", "1ib", "1.2.3m", "99999999999p", "1mm", "m1"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn swap() {
        assert_eq!("-1".parse(), Ok(SwapLimit::Unlimited));
        assert_eq!("1k".parse(), Ok(SwapLimit::Total(Bytes(1024))));
        assert!("-2".parse::<SwapLimit>().is_err());
    }

    #[test]
    fn rates() {
        let rate: DeviceRate = "/dev/vda:1mb".parse().unwrap();
        assert_eq!((rate.path.as_str(), rate.rate), ("/dev/vda", Bytes(1 << 20)));
        for bad in ["/dev/vda", "vda:1mb", "/dev/vda:", "/dev/vda:x"] {
            assert!(bad.parse::<DeviceRate>().is_err(), "{bad}");
        }
    }
}
