//! The value of an option: what it may be, read strictly.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::split::{split_at, unescaped};
use super::{IdMap, IdRange, UsageError};

/// An option with what stands behind its `=`, escapes untouched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) option: &'static str,
    pub(super) bytes: Option<&'a OsStr>,
}

impl Value<'_> {
    fn raw(&self) -> &OsStr {
        self.bytes.unwrap_or_default()
    }

    /// An error about this value.
    pub(super) fn wrong(&self, expected: &'static str) -> UsageError {
        UsageError::Value { option: self.option, value: self.raw().to_owned(), expected }
    }

    fn number<T: FromStr>(text: &OsStr) -> Option<T> {
        // `FromStr` would take a plus sign.
        let digits = text.to_str().filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse().ok()
    }

    /// One word of some.
    pub(super) fn one_of<T: Copy>(
        &self,
        words: &[(&str, T)],
        expected: &'static str,
    ) -> Result<T, UsageError> {
        let found = words.iter().find(|(word, _)| self.raw() == *word);
        found.map(|(_, value)| *value).ok_or_else(|| self.wrong(expected))
    }

    /// `0` or `1`; without a value, `1`.
    pub(super) fn switch(&self) -> Result<bool, UsageError> {
        match self.bytes {
            None => Ok(true),
            Some(_) => self.one_of(&[("0", false), ("1", true)], "0 or 1"),
        }
    }

    /// `on` or `off`.
    pub(super) fn on_off(&self) -> Result<bool, UsageError> {
        self.one_of(&[("on", true), ("off", false)], "on or off")
    }

    /// A user's or group's number.
    pub(super) fn id(&self) -> Result<u32, UsageError> {
        let id = Self::number(self.raw()).filter(|id| *id != u32::MAX);
        id.ok_or_else(|| self.wrong("a number from 0 to 4294967294"))
    }

    /// A number of bytes.
    pub(super) fn bytes(&self) -> Result<u32, UsageError> {
        Self::number(self.raw()).ok_or_else(|| self.wrong("a number of bytes"))
    }

    /// A number of something, at least one.
    pub(super) fn count(&self) -> Result<usize, UsageError> {
        let count = Self::number(self.raw()).filter(|n| *n > 0);
        count.ok_or_else(|| self.wrong("a number, at least 1"))
    }

    /// A time.
    pub(super) fn seconds(&self) -> Result<Duration, UsageError> {
        let seconds = self.raw().to_str().and_then(|text| text.parse().ok());
        seconds
            .and_then(|s| Duration::try_from_secs_f64(s).ok())
            .ok_or_else(|| self.wrong("a number of seconds, 0 or more, with or without a fraction"))
    }

    /// Any text.
    pub(super) fn text(&self) -> OsString {
        OsString::from_vec(unescaped(self.raw().as_bytes()))
    }

    /// A path. Only an empty one can be wrong.
    pub(super) fn path(&self) -> Result<PathBuf, UsageError> {
        let path = self.text();
        if path.is_empty() { Err(self.wrong("a directory")) } else { Ok(path.into()) }
    }

    /// Paths with colons between.
    pub(super) fn paths(&self) -> Result<Vec<PathBuf>, UsageError> {
        split_at(b':', self.raw().as_bytes()).map(|part| self.lower(part)).collect()
    }

    /// A path of lower layers.
    pub(super) fn lower(&self, part: &[u8]) -> Result<PathBuf, UsageError> {
        if part.is_empty() {
            return Err(self.wrong(
                "directories with one colon between each two, none empty; layers of data alone (`::`) aren't known here",
            ));
        }
        if part.starts_with(b"//") {
            return Err(self.wrong(
                "directories: `//NAME/...` calls a plugin of fuse-overlayfs, and there are none here; write one slash for a path",
            ));
        }
        Ok(OsString::from_vec(unescaped(part)).into())
    }

    /// Triples of numbers, a colon between each two of the numbers.
    pub(super) fn id_map(&self) -> Result<IdMap, UsageError> {
        // Podman writes a colon before the first one too.
        let numbers = self.raw().as_bytes().split(|b| *b == b':').filter(|part| !part.is_empty());
        let numbers: Option<Vec<u32>> =
            numbers.map(|part| Self::number(OsStr::from_bytes(part))).collect();
        let ranges = numbers.and_then(|numbers| ranges(&numbers)).ok_or_else(|| {
            self.wrong("CONTAINER:HOST:LENGTH, three numbers for each range, with colons between")
        })?;
        IdMap::new(&ranges).map_err(|source| UsageError::IdMap { option: self.option, source })
    }
}

fn ranges(numbers: &[u32]) -> Option<Vec<IdRange>> {
    let (triples, rest) = numbers.as_chunks::<3>();
    let range = |&[container, host, count]: &[u32; 3]| IdRange { container, host, count };
    (rest.is_empty() && !triples.is_empty()).then(|| triples.iter().map(range).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value<'_> {
        Value { option: "it", bytes: Some(OsStr::new(text)) }
    }

    #[test]
    fn ids_are_plain_numbers() {
        assert_eq!(value("0").id(), Ok(0));
        assert_eq!(value("4294967294").id(), Ok(u32::MAX - 1));
        for text in ["", "-1", "+1", " 1", "1 ", "0x1", "4294967295", "4294967296", "root"] {
            assert!(value(text).id().is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_have_fractions_and_an_end() {
        assert_eq!(value("1.5").seconds(), Ok(Duration::from_millis(1500)));
        assert_eq!(value("0").seconds(), Ok(Duration::ZERO));
        assert_eq!(value("1000000000.0").seconds(), Ok(Duration::from_secs(1_000_000_000)));
        for text in ["", "-1", "nan", "inf", "1e40", "1s"] {
            assert!(value(text).seconds().is_err(), "{text}");
        }
    }

    #[test]
    fn maps_are_triples() {
        let map = value("0:1000:1:1:110000:65536").id_map().unwrap();
        assert_eq!(value(":0:1000:1:1:110000:65536").id_map(), Ok(map));
        for text in ["", ":", "0:1000", "0:1000:1:5", "a:b:c", "0:-1:1", "0:1000:1,1:1001:1"] {
            assert!(matches!(value(text).id_map(), Err(UsageError::Value { .. })), "{text}");
        }
        for text in ["0:1000:0", "0:1000:2:1:5000:1", "0:4294967295:1"] {
            assert!(matches!(value(text).id_map(), Err(UsageError::IdMap { .. })), "{text}");
        }
    }
}
