//! Changed paths, as docker-diff(1) prints them, or as JSON.

use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use graphdriver_api::{Change, ChangeKind, ChangeSink};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Format;

/// Whether a changed root directory is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// As any other.
    Told,
    /// As Docker does it: never.
    Hidden,
}

#[derive(Serialize)]
struct Row<'a> {
    kind: ChangeKind,
    /// As text where it is UTF-8; programs that must know take `bytes`.
    path: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<&'a [u8]>,
}

/// Prints the changes that `walk` tells, as they are found.
///
/// # Errors
/// Those of `walk`, and of standard output.
pub fn print(
    format: Format,
    root: Root,
    walk: impl FnOnce(&mut ChangeSink<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut failed = None;
    let mut count = 0_u64;
    walk(&mut |change| {
        if root == Root::Hidden && change.path.as_os_str() == "." {
            return Ok(ControlFlow::Continue(()));
        }
        let written = match format {
            Format::Table => table_line(&mut out, &change),
            Format::Json => json_line(&mut out, &change, count == 0),
        };
        count += 1;
        Ok(match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                failed = Some(e);
                ControlFlow::Break(())
            }
        })
    })?;
    let end = match (format, count) {
        (Format::Table, _) => "",
        (Format::Json, 0) => "[]\n",
        (Format::Json, _) => "\n]\n",
    };
    failed
        .map_or_else(|| out.write_all(end.as_bytes()), Err)
        .and_then(|()| out.flush())
        .map_err(|e| Failure::new(format!("can't write to standard output: {e}")))
}

/// The form of docker-diff(1): a letter and an absolute path. Bytes go out as
/// they are, but for line ends, which would make two lines of one path.
fn table_line(out: &mut impl Write, change: &Change) -> std::io::Result<()> {
    let letter = match change.kind {
        ChangeKind::Added => b"A /",
        ChangeKind::Modified => b"C /",
        ChangeKind::Deleted => b"D /",
    };
    out.write_all(letter)?;
    let path = change.path.as_os_str().as_bytes();
    if path != b"." {
        for piece in path.split_inclusive(|b| *b == b'\n') {
            match piece.split_last() {
                Some((b'\n', rest)) => {
                    out.write_all(rest)?;
                    out.write_all(b"\\n")?;
                }
                _ => out.write_all(piece)?,
            }
        }
    }
    out.write_all(b"\n")
}

fn json_line(out: &mut impl Write, change: &Change, first: bool) -> std::io::Result<()> {
    let bytes = change.path.as_os_str().as_bytes();
    let text = String::from_utf8_lossy(bytes);
    let lossy = matches!(text, std::borrow::Cow::Owned(_));
    let row = Row { kind: change.kind, path: text, bytes: lossy.then_some(bytes) };
    out.write_all(if first { b"[\n  " } else { b",\n  " })?;
    serde_json::to_writer(out, &row).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn change(path: &[u8]) -> Change {
        Change { path: OsStr::from_bytes(path).into(), kind: ChangeKind::Added }
    }

    #[test]
    fn one_path_is_one_line() {
        let line = |path| {
            let mut out = Vec::new();
            table_line(&mut out, &change(path)).unwrap();
            out
        };
        assert_eq!(line(b"."), b"A /\n");
        assert_eq!(line(b"etc/a\nb\n"), b"A /etc/a\\nb\\n\n");
        assert_eq!(line(b"\xff"), b"A /\xff\n");
    }

    #[test]
    fn json_keeps_names_that_are_not_text() {
        let mut out = Vec::new();
        json_line(&mut out, &change(b"a\xff"), true).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "[\n  {\"kind\":\"added\",\"path\":\"a\u{fffd}\",\"bytes\":[97,255]}"
        );
    }
}
