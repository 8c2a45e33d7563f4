//! What tells two snapshots apart, one line a fact.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{Content, Entry, Kind, Snapshot, When};

/// One way in which a path isn't as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path.
    pub path: PathBuf,
    /// What about it.
    pub aspect: Aspect,
}

/// What isn't as expected: first what was expected, then what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aspect {
    /// Nothing is there; this was expected.
    Missing(&'static str),
    /// This is there; nothing was expected.
    Unexpected(&'static str),
    /// Type, symbolic link target or device number.
    Kind(Kind, Kind),
    /// Content of a file.
    Content(Content, Content),
    /// Permission bits.
    Mode(u32, u32),
    /// Owner and group.
    Owner((u32, u32), (u32, u32)),
    /// Modification time.
    Mtime(When, When),
    /// The value of an extended attribute; `None` where it isn't there.
    Xattr(OsString, Option<Vec<u8>>, Option<Vec<u8>>),
    /// The first of the names that this one shares its file with; its own
    /// where it comes first.
    SameFile(PathBuf, PathBuf),
    /// The number of links.
    Nlink(u64, u64),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", Shown(&self.path))?;
        match &self.aspect {
            Aspect::Missing(kind) => write!(f, "missing, expected a {kind}"),
            Aspect::Unexpected(kind) => write!(f, "a {kind}, expected nothing"),
            Aspect::Kind(a, b) => write!(f, "{}, expected {}", WithTarget(b), WithTarget(a)),
            Aspect::Content(a, b) => write!(f, "content {b}, expected {a}"),
            Aspect::Mode(a, b) => write!(f, "mode {b:04o}, expected {a:04o}"),
            Aspect::Owner(a, b) => {
                write!(f, "owner {}:{}, expected {}:{}", b.0, b.1, a.0, a.1)
            }
            Aspect::Mtime(a, b) => write!(f, "modified {b}, expected {a}"),
            Aspect::Xattr(name, a, b) => {
                let (a, b) = (Value(a.as_deref()), Value(b.as_deref()));
                write!(f, "attribute {name:?} {b}, expected {a}")
            }
            Aspect::SameFile(a, b) => {
                let (a, b) = (Shared(&self.path, a), Shared(&self.path, b));
                write!(f, "{b}, expected {a}")
            }
            Aspect::Nlink(a, b) => write!(f, "link count {b}, expected {a}"),
        }
    }
}

/// A path with odd bytes escaped, and many equal ones counted.
struct Shown<'a>(&'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.as_os_str().as_encoded_bytes();
        bytes.chunk_by(|a, b| a == b).try_for_each(|run| match run {
            [byte, ..] if run.len() >= 16 => {
                write!(f, "{}*{}", byte.escape_ascii(), run.len())
            }
            _ => write!(f, "{}", run.escape_ascii()),
        })
    }
}

struct WithTarget<'a>(&'a Kind);

impl fmt::Display for WithTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.0.name())?;
        match self.0 {
            Kind::Symlink(target) => write!(f, " to {target:?}"),
            Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                write!(f, " {major}:{minor}")
            }
            _ => Ok(()),
        }
    }
}

struct Value<'a>(Option<&'a [u8]>);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
        }
    }
}

struct Shared<'a>(&'a Path, &'a Path);

impl fmt::Display for Shared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 {
            f.write_str("a file of its own")
        } else {
            write!(f, "the same file as {}", Shown(self.1))
        }
    }
}

/// See [`Snapshot::differences`].
pub(super) fn between(expected: &Snapshot, actual: &Snapshot) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut paths: Vec<_> = expected.entries.keys().chain(actual.entries.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let mut add = |aspect| found.push(Difference { path: path.clone(), aspect });
        match (expected.entries.get(path), actual.entries.get(path)) {
            (Some(a), Some(b)) => {
                entries(a, b, &mut add);
                links(path, (expected, a), (actual, b), &mut add);
            }
            (Some(a), None) => add(Aspect::Missing(a.kind.name())),
            (None, Some(b)) => add(Aspect::Unexpected(b.kind.name())),
            (None, None) => {}
        }
    }
    found
}

fn entries(a: &Entry, b: &Entry, add: &mut impl FnMut(Aspect)) {
    match (&a.kind, &b.kind) {
        (Kind::File(x), Kind::File(y)) if x != y => add(Aspect::Content(*x, *y)),
        (Kind::File(_), Kind::File(_)) => {}
        (x, y) if x != y => add(Aspect::Kind(x.clone(), y.clone())),
        _ => {}
    }
    if a.mode != b.mode && !matches!(a.kind, Kind::Symlink(_)) {
        add(Aspect::Mode(a.mode, b.mode));
    }
    if (a.uid, a.gid) != (b.uid, b.gid) {
        add(Aspect::Owner((a.uid, a.gid), (b.uid, b.gid)));
    }
    if !a.mtime.agrees(b.mtime) {
        add(Aspect::Mtime(a.mtime, b.mtime));
    }
    for name in a.xattrs.keys().chain(b.xattrs.keys().filter(|n| !a.xattrs.contains_key(*n))) {
        let (x, y) = (a.xattrs.get(name), b.xattrs.get(name));
        if x != y {
            add(Aspect::Xattr(name.clone(), x.cloned(), y.cloned()));
        }
    }
}

fn links(
    path: &Path,
    a: (&Snapshot, &Entry),
    b: (&Snapshot, &Entry),
    add: &mut impl FnMut(Aspect),
) {
    let (x, y) = (a.0.first_name(path), b.0.first_name(path));
    if x != y {
        add(Aspect::SameFile(x.to_owned(), y.to_owned()));
    }
    match (a.1.nlink, b.1.nlink) {
        (Some(x), Some(y)) if x != y => add(Aspect::Nlink(x, y)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_one_readable_line() {
        let a = Snapshot::new()
            .with("content", Entry::file(b"1"))
            .with("gone", Entry::directory())
            .with("kind", Entry::new(Kind::CharDevice(1, 3)))
            .with("meta", Entry::file(b"").mode(0o4755).mtime(5, 6))
            .with("target", Entry::symlink("a").mode(0o700))
            .with("xattr", Entry::file(b"").xattr("user.a", b"1").xattr("user.b", b"\n"));
        let b = Snapshot::new()
            .with("content", Entry::file(b"2"))
            .with("kind", Entry::directory())
            .with("meta", Entry::file(b"").mode(0o755).mtime(5, 0).owner(1, 2))
            .with("new\n", Entry::new(Kind::Fifo))
            .with("target", Entry::symlink("b").mode(0o777))
            .with("xattr", Entry::file(b"").xattr("user.a", b"2"));
        let lines: Vec<_> = a.differences(&b).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "content: content 1 bytes ead1a3dc, expected 1 bytes 2e32283f",
                "gone: missing, expected a directory",
                "kind: a directory, expected a character device 1:3",
                "kind: mode 0755, expected 0644",
                "meta: mode 0755, expected 4755",
                "meta: owner 1:2, expected 0:0",
                "meta: modified 5.000000000, expected 5.000000006",
                "new\\n: a FIFO, expected nothing",
                "target: a symbolic link to \"b\", expected a symbolic link to \"a\"",
                "xattr: attribute \"user.a\" \"2\", expected \"1\"",
                "xattr: attribute \"user.b\" none, expected \"\\n\"",
            ]
        );
    }
}
