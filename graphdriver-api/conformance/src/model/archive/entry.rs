//! One entry of an archive, as applying sees it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use graphdriver_api::{Error, ErrorKind, Op, Result};

use crate::tree::Node;

/// What an entry wants.
#[derive(Debug, Clone)]
pub(in super::super) enum Entry {
    /// Something to be there.
    Node(Names, Node),
    /// The first path to be another name of the file at the second.
    Link(Names, Names),
    /// Something from below not to be there.
    Whiteout(Names),
    /// Everything from below in a directory not to be there.
    Opaque(Names),
}

/// A path's names from the root down; empty for the root.
pub(in super::super) type Names = Vec<OsString>;

/// An archive's fault, at an entry.
pub(super) fn bad(path: &[u8], rule: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    let error = Error::new(ErrorKind::BadDiff, Op::Apply, rule);
    if path.is_empty() { error } else { error.with_path(OsStr::from_bytes(path)) }
}

/// Splits a path. Absolute ones begin at the root of the tree.
pub(super) fn names(path: &[u8], depth: u32) -> Result<Names> {
    let mut names = Names::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => return Err(bad(path, "the entry's name has '..' in it")),
            name if name.contains(&0) => {
                return Err(bad(path, "the entry's name has a zero byte in it"));
            }
            // What a whiteout hides may be as long as any name.
            name if name.strip_prefix(b".wh.").unwrap_or(name).len() > 255 => {
                return Err(bad(path, "a part of the entry's name has more than 255 bytes"));
            }
            name => names.push(OsStr::from_bytes(name).to_owned()),
        }
    }
    if names.len() > usize::try_from(depth).unwrap_or(usize::MAX) {
        return Err(bad(path, format!("the entry lies deeper than {depth} directories")));
    }
    Ok(names)
}

/// A path as it is told in errors.
pub(super) fn shown(names: &[OsString]) -> PathBuf {
    if names.is_empty() { PathBuf::from(".") } else { names.iter().collect() }
}

/// What a name that begins as whiteouts do means.
pub(super) enum Marker {
    /// Hides that name.
    Of(OsString),
    /// Hides everything.
    Opaque,
    /// Another file's books (`.wh..wh.plnk`): nothing of the tree.
    Ignored,
}

/// Reads a whiteout's name; `None` for any other.
pub(super) fn marker(name: &OsStr, path: &[u8]) -> Result<Option<Marker>> {
    let Some(hidden) = name.as_bytes().strip_prefix(b".wh.") else { return Ok(None) };
    Ok(Some(match hidden {
        b".wh..opq" => Marker::Opaque,
        _ if hidden.starts_with(b".wh.") => Marker::Ignored,
        b"" | b"." | b".." => return Err(bad(path, "the whiteout hides no name")),
        _ => Marker::Of(OsStr::from_bytes(hidden).to_owned()),
    }))
}
