//! Extension records: PAX (`x`, `g`) and GNU's long names.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use graphdriver_api::Result;

use super::entry::bad;
use crate::snapshot::Timestamp;

/// The records that hold for an entry, by key.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    by_key: BTreeMap<Vec<u8>, Vec<u8>>,
    /// `GNU.sparse.offset` and `GNU.sparse.numbytes`, the only ones that
    /// repeat, in order.
    pub(super) sparse_pairs: Vec<u64>,
}

impl Records {
    /// Reads `LENGTH KEY=VALUE\n`, over what is there already.
    pub(super) fn add(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let (record, rest) = split(data).ok_or_else(|| bad(b"", "a PAX record is damaged"))?;
            data = rest;
            let at = record.iter().position(|byte| *byte == b'=');
            let Some((key, value)) = at.and_then(|at| record.split_at_checked(at)) else {
                return Err(bad(b"", "a PAX record has no '='"));
            };
            let value = value.get(1..).unwrap_or_default();
            if key.is_empty() || key == b"SCHILY.xattr." {
                return Err(bad(b"", "a PAX record has no key"));
            }
            if key == b"GNU.sparse.offset" || key == b"GNU.sparse.numbytes" {
                self.sparse_pairs.push(number(value)?);
            }
            self.by_key.insert(key.to_vec(), value.to_vec());
        }
        Ok(())
    }

    /// Sets one that GNU's entries give in another way.
    pub(super) fn set(&mut self, key: &str, value: &[u8]) {
        self.by_key.insert(key.as_bytes().to_vec(), value.to_vec());
    }

    /// A value. An empty one stands for none (pax(1)).
    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        self.by_key.get(key.as_bytes()).map(Vec::as_slice).filter(|value| !value.is_empty())
    }

    /// A decimal number.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>> {
        self.get(key).map(number).transpose()
    }

    /// A time in seconds with a fraction, rounded down to the nanosecond.
    pub(super) fn time(&self, key: &str) -> Result<Option<Timestamp>> {
        self.get(key).map(time).transpose()
    }

    /// The extended attributes of the file.
    pub(super) fn xattrs(&self) -> BTreeMap<OsString, Vec<u8>> {
        let named = self.by_key.iter().filter_map(|(key, value)| {
            let name = key.strip_prefix(b"SCHILY.xattr.")?;
            Some((OsStr::from_bytes(name).to_owned(), value.clone()))
        });
        named.collect()
    }
}

fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = data.iter().position(|byte| *byte == b' ')?;
    let len: usize = std::str::from_utf8(data.get(..blank)?).ok()?.parse().ok()?;
    let record = data.get(blank + 1..len)?.strip_suffix(b"\n")?;
    Some((record, data.get(len..)?))
}

/// A decimal number.
pub(super) fn number(text: &[u8]) -> Result<u64> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| bad(b"", "a PAX record has a number that is none"))
}

fn time(text: &[u8]) -> Result<Timestamp> {
    let parse = || {
        let text = std::str::from_utf8(text).ok()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let sec: i64 = whole.parse().ok()?;
        let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        let nsec: u32 = digits.parse().ok()?;
        // -1.25 is three quarters after -2.
        Some(match (whole.starts_with('-'), nsec) {
            (true, 1..) => Timestamp { sec: sec.checked_sub(1)?, nsec: 1_000_000_000 - nsec },
            _ => Timestamp { sec, nsec },
        })
    };
    parse().ok_or_else(|| bad(b"", "a PAX record has a time that is none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        let mut records = Records::default();
        records.add(b"11 path=a=\n18 mtime=-1.25000\n21 SCHILY.xattr.u=\n\0\n").unwrap();
        assert_eq!(records.get("path"), Some(b"a=".as_slice()));
        let time = Timestamp { sec: -2, nsec: 750_000_000 };
        assert_eq!(records.time("mtime").unwrap(), Some(time));
        assert_eq!(records.xattrs().get(OsStr::new("u")).unwrap(), b"\n\0");
        for bad in [&b"5 a=b\n"[..], b"99 a=b\n", b"x", b"6 abc\n", b"6 a=b\n "] {
            assert!(Records::default().add(bad).is_err(), "{bad:?}");
        }
    }
}
