//! What a file tree looks like: everything that a storage driver must keep of
//! it, and nothing else. Captured from a real tree by descriptor, or put
//! together by hand as what a case expects; two of them can be compared.
//!
//! Part of it: type, permission bits, owner, size and content of files, targets
//! of symbolic links, device numbers, modification times to the nanosecond,
//! extended attributes, which names are one file, and link counts. Not part of
//! it: ctime, atime, inode and device numbers of the file system, sizes and
//! link counts of directories, and where a file has holes.

mod capture;
mod content;
mod difference;
mod entry;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) use capture::mtime;
pub use content::{Content, Digester};
pub use difference::{Aspect, Difference};
pub use entry::{Entry, Kind, Timestamp, When};
pub(crate) use walk::{Found, Meta, Visit, runs, walk};

/// A tree at one moment, in path order.
///
/// # Expecting a tree
///
/// A snapshot that is put together begins with a root directory 0755, 0:0, and
/// says nothing about any modification time until a case does:
///
/// ```
/// use graphdriver_conformance::snapshot::{Entry, Snapshot};
///
/// let expected = Snapshot::new()
///     .with("etc", Entry::directory())
///     .with("etc/hosts", Entry::file(b"127.0.0.1 localhost\n").mtime(1_000, 5))
///     .with("bin/su", Entry::file(b"\x7fELF").mode(0o4755).xattr("user.a", b"1"))
///     .link("bin/sudo", "bin/su");
/// assert_eq!(expected.differences(&expected), []);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    entries: BTreeMap<PathBuf, Entry>,
    /// For each name that isn't the first one of its file, the first one.
    links: BTreeMap<PathBuf, PathBuf>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self::new()
    }
}

impl Snapshot {
    /// An empty tree: a root directory 0755, 0:0, of any modification time.
    #[must_use]
    pub fn new() -> Self {
        let root = (PathBuf::from("."), Entry::directory());
        Self { entries: BTreeMap::from([root]), links: BTreeMap::new() }
    }

    /// A tree of these entries and, for each name that isn't the first one of
    /// its file, the first one.
    pub(crate) fn from_parts(
        entries: BTreeMap<PathBuf, Entry>,
        links: BTreeMap<PathBuf, PathBuf>,
    ) -> Self {
        Self { entries, links }
    }

    /// Puts `entry` at `path` (`.` for the root), in place of whatever was
    /// said about that path before. Parents are not made up: an expected
    /// tree that lacks one never equals a real tree.
    #[must_use]
    pub fn with(mut self, path: impl AsRef<Path>, entry: Entry) -> Self {
        self = self.without(path.as_ref());
        self.entries.insert(path.as_ref().to_owned(), entry);
        self
    }

    /// Makes `path` another name of the file at `of`, and counts the links of
    /// both. Without `of` in the snapshot, nothing happens.
    #[must_use]
    pub fn link(mut self, path: impl AsRef<Path>, of: impl AsRef<Path>) -> Self {
        let Some(entry) = self.entries.get(of.as_ref()).cloned() else { return self };
        self = self.with(path.as_ref(), entry);
        let mut names = self.names_of(of.as_ref());
        names.push(path.as_ref().to_owned());
        self.regroup(names);
        self
    }

    /// Takes `path` away; the other names of its file have one link less.
    /// What lies beneath a directory isn't touched.
    #[must_use]
    pub fn without(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        if self.entries.contains_key(path) {
            let names = self.names_of(path);
            self.entries.remove(path);
            self.links.remove(path);
            self.regroup(names.into_iter().filter(|n| n != path).collect());
        }
        self
    }

    /// Says that `path` is the only name of its file, and nothing about how
    /// many links there are.
    pub(crate) fn alone(mut self, path: &Path) -> Self {
        let names = self.names_of(path);
        self.links.remove(path);
        self.regroup(names.into_iter().filter(|name| name != path).collect());
        if let Some(entry) = self.entries.get_mut(path) {
            entry.nlink = None;
        }
        self
    }

    /// What is at `path`.
    #[must_use]
    pub fn get(&self, path: impl AsRef<Path>) -> Option<&Entry> {
        self.entries.get(path.as_ref())
    }

    /// What is at `path`, to be changed in place. A change is one of that
    /// name alone, even where the file has others.
    pub fn get_mut(&mut self, path: impl AsRef<Path>) -> Option<&mut Entry> {
        self.entries.get_mut(path.as_ref())
    }

    /// Every path with its entry, in path order, the root (`.`) first.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_path(), entry))
    }

    /// The first name, in path order, of the file at `path`: two names are
    /// hard links of one file exactly if this is the same for both.
    #[must_use]
    pub fn first_name<'a>(&'a self, path: &'a Path) -> &'a Path {
        self.links.get(path).map_or(path, PathBuf::as_path)
    }

    /// What must be known to turn `self` (what was expected) into `actual`:
    /// empty if they are the same. In path order.
    #[must_use]
    pub fn differences(&self, actual: &Self) -> Vec<Difference> {
        difference::between(self, actual)
    }

    /// Every name of the file at `path`, in path order.
    fn names_of(&self, path: &Path) -> Vec<PathBuf> {
        let first = self.first_name(path).to_owned();
        let others = self.links.iter().filter(|(_, f)| **f == first).map(|(n, _)| n.clone());
        std::iter::once(first.clone()).chain(others).collect()
    }

    /// Makes `names` the names of one file.
    fn regroup(&mut self, mut names: Vec<PathBuf>) {
        names.sort();
        let Some((first, others)) = names.split_first() else { return };
        self.links.remove(first);
        for other in others {
            self.links.insert(other.clone(), first.clone());
        }
        for name in &names {
            if let Some(entry) = self.entries.get_mut(name) {
                entry.nlink = entry.nlink.map(|_| names.len() as u64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_counted_and_told_apart() {
        let tree = Snapshot::new()
            .with("a", Entry::file(b"1"))
            .link("b", "a")
            .link("c", "b")
            .with("d", Entry::file(b"1"));
        assert_eq!(tree.get("c").unwrap().nlink, Some(3));
        assert_eq!(tree.first_name(Path::new("c")), Path::new("a"));
        let fewer = tree.clone().without("a");
        assert_eq!(fewer.get("b").unwrap().nlink, Some(2));
        assert_eq!(fewer.first_name(Path::new("c")), Path::new("b"));
        let lines: Vec<_> = fewer
            .differences(&fewer.clone().link("d", "b"))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            lines,
            [
                "b: link count 3, expected 2",
                "c: link count 3, expected 2",
                "d: the same file as b, expected a file of its own",
                "d: link count 3, expected 1",
            ]
        );
    }
}
