//! tar-split's record of a layer's archive: everything of it but the bytes of
//! its files. A line of JSON is an entry: bytes as they are, or a file whose
//! bytes come next.
//!
//! Nothing in a record is believed: it says what is read, and the layer's
//! digest says afterwards whether that was right.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Bytes of one line at most. Between two files lie headers, at most those
/// that the layer's own limits allow; behind the last file there may be some
/// MiB of zeros in one line.
const MAX_LINE: u64 = 8 << 20;

/// The numbers that tar-split gives to its kinds of entries.
const FILE: u64 = 1;
const SEGMENT: u64 = 2;

/// What comes next in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// The bytes of a file.
    File {
        /// Its path as the archive has it, never one that leads out of the
        /// tree by `..`.
        name: &'a [u8],
        /// How many they are; 0 for whatever isn't a regular file.
        size: u64,
    },
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: u64,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    /// Instead of the name, in base64, where that isn't UTF-8.
    #[serde(borrow, default)]
    name_raw: Option<Text<'a>>,
    #[serde(default)]
    size: u64,
    /// In base64; of a file, a checksum.
    #[serde(borrow, default)]
    payload: Option<Text<'a>>,
}

/// In an `Option`, serde borrows no plain `Cow`.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a record, a line at a time. Memory: twice the longest line, which has
/// 8 MiB at most.
#[derive(Debug)]
pub struct Record<R> {
    lines: R,
    number: u64,
    line: Vec<u8>,
    decoded: Vec<u8>,
}

impl<R: BufRead> Record<R> {
    /// Of uncompressed lines.
    pub fn new(lines: R) -> Self {
        Self { lines, number: 0, line: Vec::new(), decoded: Vec::new() }
    }

    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// `InvalidData` for what is no record, naming the line; the reader's own.
    /// There is no going on after one.
    pub fn next_part(&mut self) -> io::Result<Option<Part<'_>>> {
        self.line.clear();
        self.number += 1;
        (&mut self.lines).take(MAX_LINE + 1).read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        if self.line.len() as u64 > MAX_LINE {
            return Err(bad(self.number, format!("it has more than {} MiB", MAX_LINE >> 20)));
        }
        part(&self.line, &mut self.decoded).map(Some).map_err(|why| bad(self.number, why))
    }
}

fn part<'a>(line: &[u8], decoded: &'a mut Vec<u8>) -> Result<Part<'a>, String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    decoded.clear();
    match line.kind {
        SEGMENT => {
            decode(line.payload.as_ref(), decoded)?;
            Ok(Part::Bytes(decoded))
        }
        FILE => {
            match (&line.name_raw, &line.name) {
                (Some(raw), _) => decode(Some(raw), decoded)?,
                (None, name) => {
                    decoded.extend(name.iter().flat_map(|name| name.0.bytes()));
                }
            }
            check_name(decoded)?;
            Ok(Part::File { name: decoded, size: line.size })
        }
        other => Err(format!("its entry is of type {other}, and known are {FILE} and {SEGMENT}")),
    }
}

fn decode(text: Option<&Text<'_>>, into: &mut Vec<u8>) -> Result<(), String> {
    let text = text.map_or("", |text| &text.0);
    STANDARD.decode_vec(text, into).map_err(|e| e.to_string())
}

/// Looking up a file can't leave its tree in any case; a name that tries to is
/// nobody's mistake.
fn check_name(name: &[u8]) -> Result<(), String> {
    let mut depth = 0_u64;
    for part in name.split(|byte| *byte == b'/') {
        let deeper = match part {
            b"" | b"." => Some(depth),
            b".." => depth.checked_sub(1),
            _ => depth.checked_add(1),
        };
        depth = deeper.ok_or_else(|| {
            format!("its file \"{}\" would lie outside the layer", name.escape_ascii())
        })?;
    }
    if name.contains(&0) { Err("its file's name has a zero byte".to_owned()) } else { Ok(()) }
}

fn bad(number: u64, why: impl std::fmt::Display) -> io::Error {
    let text = format!("line {number} of its tar-split record can't be understood: {why}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &[u8]) -> io::Result<Vec<String>> {
        let mut record = Record::new(text);
        let mut parts = Vec::new();
        while let Some(part) = record.next_part()? {
            parts.push(match part {
                Part::Bytes(bytes) => format!("bytes {}", bytes.escape_ascii()),
                Part::File { name, size } => format!("file {} {size}", name.escape_ascii()),
            });
        }
        Ok(parts)
    }

    #[track_caller]
    fn refused(text: &[u8], why: &str) {
        let error = parts(text).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let error = error.to_string();
        assert!(error.contains("line ") && error.contains(why), "{error}");
    }

    #[test]
    fn every_kind_of_entry_is_read() {
        let text = br#"{"type":2,"payload":"YWJjAA==","position":0}
{"type":1,"name":"etc/\u003ca\u003e","payload":null,"position":1}
{"type":1,"name":"/etc/a/../b","size":5,"payload":"AAAAAAAAAAA=","position":2}
{"type":1,"name_raw":"/2E=","size":1,"payload":"AAAAAAAAAAA=","position":3,"new":[]}
{"type":2,"payload":null,"position":4}
"#;
        let expected =
            ["bytes abc\\x00", "file etc/<a> 0", "file /etc/a/../b 5", "file \\xffa 1", "bytes "];
        assert_eq!(parts(text).unwrap(), expected);
        assert_eq!(parts(text.trim_ascii_end()).unwrap(), expected);
        assert!(parts(b"").unwrap().is_empty());
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        for name in ["..", "../x", "a/../../x", "/../etc/passwd", "./..", "a/b/../../.."] {
            let line = format!("{{\"type\":1,\"name\":\"{name}\",\"size\":1}}\n");
            refused(line.as_bytes(), "outside the layer");
        }
        // ../x
        refused(b"{\"type\":1,\"name_raw\":\"Li4veA==\",\"size\":1}\n", "outside the layer");
        refused(b"{\"type\":1,\"name\":\"a\\u0000b\",\"size\":1}\n", "zero byte");
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_line() {
        refused(b"{\"type\":2,\"payload\":\"YQ==\"}\n{\"type\":", "line 2");
        refused(b"\n", "line 1");
        refused(b"[]\n", "line 1");
        refused(b"{\"type\":3}\n", "of type 3");
        refused(b"{\"type\":1,\"name\":\"a\",\"size\":-1}\n", "-1");
        refused(b"{\"type\":1,\"name\":\"a\",\"size\":18446744073709551616}\n", "line 1");
        refused(b"{\"type\":2,\"payload\":\"Y\"}\n", "line 1");
        refused(b"{\"type\":2,\"payload\":\"Y Q==\"}\n", "line 1");
        refused(b"{\"type\":1,\"name\":\"\xff\"}\n", "line 1");
        refused(b"{\"type\":1,\"name_raw\":\"*\"}\n", "line 1");
    }

    /// As from a bomb: the line isn't read to its end.
    #[test]
    fn a_line_that_fills_the_memory_is_refused() {
        let endless = io::BufReader::new(io::repeat(b' '));
        let mut record = Record::new(endless);
        let error = record.next_part().unwrap_err().to_string();
        assert!(error.contains("more than 8 MiB"), "{error}");
        assert!(record.line.capacity() < 64 << 20);
    }
}
