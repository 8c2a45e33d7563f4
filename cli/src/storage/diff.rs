//! `storage diff` and `storage changes`.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;
use graphdriver_api::{Change, ChangeKind, GraphDriver, NodeRef};
use serde::Serialize;

use super::select;
use crate::failure::Failure;
use crate::open::Storage;
use crate::output::Format;

/// Options of `storage diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    #[arg(help = select::NODE_HELP)]
    node: String,
    /// Write to FILE instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Options of `storage changes`.
#[derive(Debug, Args)]
pub struct ChangesArgs {
    #[arg(help = select::NODE_HELP)]
    node: String,
    /// How to print: `A path`, `C path`, `D path`, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Writes the layer archive.
pub fn diff(storage: &Storage, args: &DiffArgs) -> Result<(), Failure> {
    let node = select::node(&*storage.driver, &args.node)?;
    match &args.output {
        Some(path) => to_file(&*storage.driver, node.id.as_ref(), path),
        None => to_stdout(&*storage.driver, node.id.as_ref()),
    }
}

/// The file gets its name when it is whole: a half-written archive can't be
/// taken for one.
fn to_file(driver: &dyn GraphDriver, node: NodeRef<'_>, path: &PathBuf) -> Result<(), Failure> {
    let failed = |what: &str, e: std::io::Error| {
        Failure::new(format!("can't {what} {}: {e}", path.display()))
    };
    let mut name = path.clone().into_os_string();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let file = File::create(&partial).map_err(|e| failed("create", e))?;
    let mut out = BufWriter::with_capacity(1 << 17, file);
    let written = driver.diff(node, &mut out).map_err(Failure::from).and_then(|_| {
        out.flush().and_then(|()| out.get_ref().sync_all()).map_err(|e| failed("write", e))
    });
    if let Err(failure) = written {
        std::fs::remove_file(&partial).map_err(|e| failed("clean up", e))?;
        return Err(failure);
    }
    std::fs::rename(&partial, path).map_err(|e| failed("rename to", e))
}

fn to_stdout(driver: &dyn GraphDriver, node: NodeRef<'_>) -> Result<(), Failure> {
    let stdout = std::io::stdout();
    if stdout.is_terminal() {
        return Err(Failure::new(
            "an archive isn't for a terminal; name a file with -o, or pipe it",
        ));
    }
    let mut out = BufWriter::with_capacity(1 << 17, stdout.lock());
    driver.diff(node, &mut out)?;
    out.flush().map_err(|e| Failure::new(format!("can't write to standard output: {e}")))
}

#[derive(Serialize)]
struct Row<'a> {
    kind: ChangeKind,
    /// As text where it is UTF-8; programs that must know take `bytes`.
    path: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<&'a [u8]>,
}

/// Lists changed paths as they are found.
pub fn changes(storage: &Storage, args: &ChangesArgs) -> Result<(), Failure> {
    let node = select::node(&*storage.driver, &args.node)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut failed = None;
    let mut count = 0_u64;
    storage.driver.changes(node.id.as_ref(), &mut |change| {
        let written = match args.format {
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
    let end = match (args.format, count) {
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
