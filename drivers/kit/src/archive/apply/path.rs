//! The paths in an archive, and what their names mean.
//!
//! Pure.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::archive::rule::{Parsed, Rule};
use crate::whiteout::{self, Mark};

/// The longest name that Linux knows (NAME_MAX).
const NAME_MAX: usize = 255;

/// Where an entry belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// The root of the tree.
    Root,
    /// A name in a directory.
    Name(Vec<&'a OsStr>, &'a OsStr),
    /// Hides a name in a directory.
    Whiteout(Vec<&'a OsStr>, &'a OsStr),
    /// Hides all names in a directory.
    Opaque(Vec<&'a OsStr>),
    /// Beneath one of AUFS's own directories in the root: no part of the tree.
    Aufs,
}

/// Reads the path of an entry. A leading slash and empty and `.` components
/// mean nothing. `..` is refused: with symbolic links about, programs don't
/// agree on what it leads to.
pub(super) fn parse(path: &[u8], max_depth: u32) -> Parsed<Place<'_>> {
    let mut names = components(path, max_depth)?;
    if names.first().is_some_and(|first| Mark::parse(first) == Ok(Mark::Aufs)) {
        return Ok(Place::Aufs);
    }
    let Some(name) = names.pop() else { return Ok(Place::Root) };
    if names.iter().any(|name| whiteout::is_reserved(name)) {
        return Err("a path through a name that is reserved for whiteouts".into());
    }
    let place = match Mark::parse(name).map_err(|e| Rule::new(e.to_string()))? {
        Mark::Ordinary => Place::Name(names, name),
        Mark::Whiteout(name) => Place::Whiteout(names, name),
        Mark::Opaque => Place::Opaque(names),
        Mark::Aufs => return Err("one of AUFS's own names below the root".into()),
    };
    match &place {
        Place::Name(_, name) | Place::Whiteout(_, name) if name.len() > NAME_MAX => Err(too_long()),
        _ => Ok(place),
    }
}

/// Reads the target of a hard link: a path in the tree, of a name.
pub(super) fn parse_link(path: &[u8], max_depth: u32) -> Parsed<(Vec<&OsStr>, &OsStr)> {
    match parse(path, max_depth) {
        Ok(Place::Name(parent, name)) => Ok((parent, name)),
        Ok(Place::Aufs) => Err("a hard link into AUFS's own directories".into()),
        Ok(Place::Root) => Err("a hard link to a directory".into()),
        Ok(_) => Err("a hard link to a whiteout".into()),
        Err(rule) => Err(Rule::new(format!("a hard link to {rule}"))),
    }
}

fn components(path: &[u8], max_depth: u32) -> Parsed<Vec<&OsStr>> {
    if path.is_empty() {
        return Err("an empty path".into());
    }
    let mut names = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => continue,
            b".." => return Err("a path with a .. component".into()),
            _ if name.contains(&0) => return Err("a path with a zero byte".into()),
            _ => names.push(OsStr::from_bytes(name)),
        }
        if names.len() as u64 > u64::from(max_depth) {
            return Err(Rule::new(format!(
                "a path of more than {max_depth} components (limit depth)"
            )));
        }
    }
    // The last one may be a whiteout, whose prefix no file system sees.
    let above = names.split_last().map_or(&[][..], |(_, above)| above);
    if above.iter().any(|name| name.len() > NAME_MAX) {
        return Err(too_long());
    }
    Ok(names)
}

fn too_long() -> Rule {
    Rule::new(format!("a name of more than {NAME_MAX} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(name: &str) -> &OsStr {
        OsStr::new(name)
    }

    #[test]
    fn paths_are_relative_to_the_tree_however_they_are_written() {
        for path in ["a/b", "/a/b", "./a/b", "a//b/", "././a/./b/."] {
            let expected = Place::Name(vec![os("a")], os("b"));
            assert_eq!(parse(path.as_bytes(), 9), Ok(expected), "{path}");
        }
        for path in ["/", ".", "./", "//./"] {
            assert_eq!(parse(path.as_bytes(), 9), Ok(Place::Root), "{path}");
        }
    }

    #[test]
    fn names_of_whiteouts() {
        let parse = |path: &'static str| parse(path.as_bytes(), 9);
        assert_eq!(parse(".wh.a"), Ok(Place::Whiteout(vec![], os("a"))));
        assert_eq!(parse("d/.wh..a"), Ok(Place::Whiteout(vec![os("d")], os(".a"))));
        assert_eq!(parse("d/.wh..wh..opq"), Ok(Place::Opaque(vec![os("d")])));
        assert_eq!(parse(".wh..wh.plnk/8.9"), Ok(Place::Aufs));
        assert_eq!(parse(".wh..wh.aufs"), Ok(Place::Aufs));
        for path in ["d/.wh.", "d/.wh..", ".wh...", "d/.wh..wh.plnk", ".wh.d/a", "a/.wh..wh..opq/b"]
        {
            assert!(parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn limits_of_length_and_depth() {
        let long = "n".repeat(255);
        assert!(parse(long.as_bytes(), 9).is_ok());
        assert!(parse(format!(".wh.{long}").as_bytes(), 9).is_ok());
        assert!(parse(format!("{long}n").as_bytes(), 9).is_err());
        assert!(parse(format!("{long}n/a").as_bytes(), 9).is_err());
        assert!(parse(format!(".wh.{long}n").as_bytes(), 9).is_err());
        assert!(parse(b"a/a/a", 3).is_ok());
        assert!(parse(b"a/a/a/a", 3).is_err());
        assert!(parse(b"a/./././a//a", 3).is_ok());
    }

    #[test]
    fn hostile_paths() {
        for path in [&b""[..], b"..", "a/../b".as_bytes(), b"/../etc", b"a/..", b"a\0b"] {
            assert!(parse(path, 9).is_err(), "{path:?}");
            assert!(parse_link(path, 9).is_err(), "{path:?}");
        }
        for path in [&b"/"[..], b"a/.wh.b", b".wh..wh.plnk/1.2", b"a/.wh..wh..opq"] {
            assert!(parse_link(path, 9).is_err(), "{path:?}");
        }
    }
}
