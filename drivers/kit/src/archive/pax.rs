//! PAX extended headers: records of `length keyword=value\n`.
//!
//! Pure. A value is bytes and can hold anything, a newline or a zero byte too;
//! only the record's length tells where it ends.

use crate::at::Time;

use super::rule::{Parsed, Rule};

/// A keyword and its value.
pub type Record<'a> = (&'a [u8], &'a [u8]);

/// Reads records one by one.
#[derive(Debug, Clone)]
pub struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    /// The records in `data`.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    fn split(&mut self) -> Parsed<Record<'a>> {
        let damaged = || Rule::from("a damaged PAX record");
        let space = self.0.iter().take(20).position(|b| *b == b' ').ok_or_else(damaged)?;
        let (digits, _) = self.0.split_at(space);
        let len = usize::try_from(decimal(digits).ok_or_else(damaged)?).map_err(|_| damaged())?;
        let record = self.0.get(space + 1..len).ok_or_else(damaged)?;
        let (last, record) = record.split_last().ok_or_else(damaged)?;
        let equals = record.iter().position(|b| *b == b'=').ok_or_else(damaged)?;
        if *last != b'\n' || equals == 0 {
            return Err(damaged());
        }
        self.0 = self.0.get(len..).unwrap_or_default();
        let (keyword, value) = record.split_at(equals);
        Ok((keyword, value.get(1..).unwrap_or_default()))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Parsed<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = self.split();
        if record.is_err() {
            self.0 = &[];
        }
        Some(record)
    }
}

/// Adds a record. The length counts its own digits.
pub fn push(out: &mut Vec<u8>, keyword: &[u8], value: &[u8]) {
    let rest = keyword.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    out.extend_from_slice(len.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(keyword);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Digits and nothing else; `None` if there are none or the number is too
/// large.
#[must_use]
pub fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// A time: seconds with a sign and a fraction. Digits beyond nanoseconds are
/// cut off towards the past.
#[must_use]
pub fn time(value: &[u8]) -> Option<Time> {
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let mut parts = digits.splitn(2, |byte| *byte == b'.');
    let whole = i64::try_from(decimal(parts.next()?)?).ok()?;
    let (nanos, more) = fraction(parts.next().unwrap_or_default())?;
    if !negative {
        return Some(Time { sec: whole, nsec: nanos });
    }
    // -1.5 is half a second after -2.
    let nanos = nanos + u32::from(more);
    Some(match nanos {
        0 => Time { sec: -whole, nsec: 0 },
        _ => Time { sec: (-whole).checked_sub(1)?, nsec: 1_000_000_000 - nanos },
    })
}

/// Nanoseconds, and whether anything but zeros follows.
fn fraction(digits: &[u8]) -> Option<(u32, bool)> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at| u32::from(digits.get(at).map_or(0, |byte| byte - b'0'));
    let nanos = (0..9).fold(0, |number, at| number * 10 + digit(at));
    Some((nanos, digits.iter().skip(9).any(|byte| *byte != b'0')))
}

/// A time as [`time`] reads it, without zeros at the end.
#[must_use]
pub fn format_time(time: Time) -> String {
    let (sign, sec, nsec) = match time {
        Time { sec, nsec } if sec < 0 && nsec > 0 => {
            ("-", (sec + 1).unsigned_abs(), 1_000_000_000 - nsec)
        }
        Time { sec, nsec } if sec < 0 => ("-", sec.unsigned_abs(), nsec),
        Time { sec, nsec } => ("", sec.unsigned_abs(), nsec),
    };
    if nsec == 0 {
        return format!("{sign}{sec}");
    }
    format!("{sign}{sec}.{nsec:09}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(data: &[u8]) -> Parsed<Vec<Record<'_>>> {
        Records::new(data).collect()
    }

    #[test]
    fn records_hold_any_bytes() {
        let mut data = Vec::new();
        push(&mut data, b"path", b"a\nb");
        push(&mut data, b"SCHILY.xattr.security.capability", b"\x01\0\n=\n\xff");
        push(&mut data, b"comment", b"");
        assert!(data.starts_with(b"12 path=a\nb\n"));
        let found = all(&data).unwrap();
        assert_eq!(found[0], (&b"path"[..], &b"a\nb"[..]));
        assert_eq!(found[1].1, b"\x01\0\n=\n\xff");
        assert_eq!(found[2], (&b"comment"[..], &b""[..]));
    }

    #[test]
    fn damaged_records_are_refused() {
        for data in [
            &b"11 path=abc"[..],
            b"13 path=abc\n",
            b"10 path=abc\n",
            b"path=abc\n",
            b" path=abc\n",
            b"0 path=abc\n",
            b"3 \n",
            b"5 =a\n",
            b"8 abcde\n",
            b"-1 path=abc\n",
            b"99999999999999999999 path=abc\n",
            b"18446744073709551615 path=abc\n",
            b"000000000000000000000000011 path=ab\n",
        ] {
            assert!(all(data).is_err(), "{:?}", String::from_utf8_lossy(data));
        }
    }

    #[test]
    fn times() {
        for (text, sec, nsec) in [
            ("0", 0, 0),
            ("1700000000.123456789", 1_700_000_000, 123_456_789),
            ("1.5", 1, 500_000_000),
            ("1.", 1, 0),
            ("1.0000000019", 1, 1),
            ("-1", -1, 0),
            ("-1.5", -2, 500_000_000),
            ("-0.000000001", -1, 999_999_999),
            ("-0.0000000001", -1, 999_999_999),
            ("-0", 0, 0),
        ] {
            assert_eq!(time(text.as_bytes()), Some(Time { sec, nsec }), "{text}");
        }
        for text in ["", "-", ".5", "1.x", "1e3", "+1", " 1", "9223372036854775808"] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_survives(sec in i64::MIN + 1..i64::MAX, nsec in 0_u32..1_000_000_000) {
            let there = Time { sec, nsec };
            prop_assert_eq!(time(format_time(there).as_bytes()), Some(there));
        }

        #[test]
        fn every_record_survives(
            keyword in "[a-zA-Z.]{1,40}",
            value in prop::collection::vec(any::<u8>(), 0..2000),
        ) {
            let mut data = Vec::new();
            push(&mut data, keyword.as_bytes(), &value);
            prop_assert_eq!(all(&data).unwrap(), [(keyword.as_bytes(), &value[..])]);
        }

        #[test]
        fn no_input_makes_the_parser_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(all(&data));
        }
    }
}
