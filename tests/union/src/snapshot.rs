//! All there is to know of a directory tree, to say what changed.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, SeekFrom, Stat, openat, readlinkat, statat,
};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::failure::{Failure, Outcome};

/// How much of a file is hashed at once.
const BLOCK: u64 = 64 << 10;
/// Seconds before which no clock is today: an earlier mtime was given by
/// somebody, and must come along.
const GIVEN_BEFORE: i64 = 1_000_000_000;

/// What an entry of a tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Type and permissions.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Of a device, its number.
    pub device: u64,
    /// Length.
    pub size: i64,
    /// Names in the file system, or what the directory counts.
    pub links: u64,
    /// The inode's number.
    pub inode: u64,
    /// Seconds and nanoseconds of the last change of content.
    pub modified: (i64, i64),
    /// Seconds and nanoseconds of the last change of anything.
    pub changed: (i64, i64),
    /// Extended attributes, all that the reader may see.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The digest of a file, the target of a symbolic link.
    pub content: Vec<u8>,
}

/// A tree: entries by path, with `/` between names and an empty path for the root.
///
/// Access times aren't in it: reading changes them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    entries: BTreeMap<Vec<u8>, Entry>,
}

impl Snapshot {
    /// Reads a tree. By descriptor, so that paths of any length work.
    ///
    /// Cost: reads all content.
    ///
    /// # Errors
    /// Anything that can't be read, with its path.
    pub fn of(root: &Path) -> Outcome<Self> {
        let mut snapshot = Self::default();
        let root = openat(CWD, root, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let stat = rustix::fs::fstat(&root)?;
        snapshot.entries.insert(Vec::new(), entry(root.as_fd(), &stat, Vec::new())?);
        snapshot.walk(&root, &[])?;
        Ok(snapshot)
    }

    /// The entries by path.
    #[must_use]
    pub fn entries(&self) -> &BTreeMap<Vec<u8>, Entry> {
        &self.entries
    }

    fn walk(&mut self, dir: &OwnedFd, path: &[u8]) -> Outcome {
        for name in names(dir, path)? {
            let mut below = path.to_vec();
            if !below.is_empty() {
                below.push(b'/');
            }
            below.extend(name.as_bytes());
            self.add(dir, &name, &below)
                .map_err(|e| Failure::new(format!("{}: {}", below.escape_ascii(), e.what())))?;
        }
        Ok(())
    }

    fn add(&mut self, dir: &OwnedFd, name: &CString, path: &[u8]) -> Outcome {
        let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let way = match kind {
            FileType::RegularFile => OFlags::RDONLY | OFlags::NOATIME,
            FileType::Directory => OFlags::DIRECTORY | OFlags::NOATIME,
            _ => OFlags::PATH,
        };
        let flags = way | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = openat(dir, name, flags, Mode::empty())?;
        let content = match kind {
            FileType::RegularFile => digest(&open)?,
            FileType::Symlink => readlinkat(dir, name, Vec::new())?.into_bytes(),
            _ => Vec::new(),
        };
        self.entries.insert(path.to_vec(), entry(open.as_fd(), &stat, content)?);
        if kind == FileType::Directory {
            self.walk(&open, path)?;
        }
        Ok(())
    }

    /// The first thing in which another reading of the same tree differs.
    #[must_use]
    pub fn difference(&self, now: &Self) -> Option<String> {
        self.first(now, Entry::clone)
    }

    /// The first thing in which a tree differs from another that was made in
    /// the same way elsewhere: inode numbers, link counts and sizes of
    /// directories, and times that a clock gave don't count; which names are
    /// links to one file does. How many there are counts if `count_links`.
    #[must_use]
    pub fn unlike(&self, other: &Self, count_links: bool) -> Option<String> {
        let essence = |entry: &Entry| match entry.essence() {
            essence if count_links => essence,
            essence => Entry { links: 0, ..essence },
        };
        self.first(other, essence).or_else(|| {
            let (a, b) = (self.link_groups(), other.link_groups());
            let group = a.iter().find(|g| !b.contains(g)).or(b.iter().find(|g| !a.contains(g)))?;
            let names: Vec<_> = group.iter().map(|p| p.escape_ascii().to_string()).collect();
            Some(format!("links to one file on one side alone: {}", names.join(", ")))
        })
    }

    fn first(&self, other: &Self, part: impl Fn(&Entry) -> Entry) -> Option<String> {
        let show = |path: &[u8]| format!("/{}", path.escape_ascii());
        for (path, entry) in &self.entries {
            match other.entries.get(path) {
                None => return Some(format!("{} is gone", show(path))),
                Some(now) => {
                    let (entry, now) = (part(entry), part(now));
                    if entry != now {
                        return Some(format!("{}: {}", show(path), entry.changes(&now)));
                    }
                }
            }
        }
        let new = other.entries.keys().find(|path| !self.entries.contains_key(*path))?;
        Some(format!("{} is new", show(new)))
    }

    /// Names that share an inode, where there are several.
    fn link_groups(&self) -> Vec<Vec<&[u8]>> {
        let mut groups: BTreeMap<u64, Vec<&[u8]>> = BTreeMap::new();
        for (path, entry) in &self.entries {
            if !entry.is_directory() && entry.links > 1 {
                groups.entry(entry.inode).or_default().push(path);
            }
        }
        let mut groups: Vec<_> = groups.into_values().filter(|g| g.len() > 1).collect();
        groups.sort();
        groups
    }
}

impl Entry {
    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::Directory
    }

    /// What must be the same in a tree that was made in the same way elsewhere.
    fn essence(&self) -> Self {
        let mut essence = Self { inode: 0, changed: (0, 0), ..self.clone() };
        if self.modified.0 >= GIVEN_BEFORE {
            essence.modified = (GIVEN_BEFORE, 0);
        }
        if self.is_directory() {
            (essence.size, essence.links) = (0, 0);
        }
        essence
    }

    /// In words, which parts differ.
    fn changes(&self, now: &Self) -> String {
        let mut said = String::new();
        let mut say = |what: &str, before: &dyn std::fmt::Debug, after: &dyn std::fmt::Debug| {
            let (before, after) = (format!("{before:?}"), format!("{after:?}"));
            if before != after {
                // Writing to a string can't fail.
                let done = write!(said, "{what} {before} -> {after}; ");
                debug_assert!(done.is_ok());
            }
        };
        say("mode", &format!("{:o}", self.mode), &format!("{:o}", now.mode));
        say("owner", &self.owner, &now.owner);
        say("device", &self.device, &now.device);
        say("size", &self.size, &now.size);
        say("links", &self.links, &now.links);
        say("inode", &self.inode, &now.inode);
        say("mtime", &self.modified, &now.modified);
        say("ctime", &self.changed, &now.changed);
        say("xattrs", &shown(&self.xattrs), &shown(&now.xattrs));
        say("content", &hex(&self.content), &hex(&now.content));
        said.trim_end_matches("; ").to_owned()
    }
}

fn shown(xattrs: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<String> {
    let show = |(k, v): (&Vec<u8>, &Vec<u8>)| format!("{}={}", k.escape_ascii(), v.escape_ascii());
    xattrs.iter().map(show).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(6).fold(String::new(), |all, b| format!("{all}{b:02x}"))
}

fn names(dir: &OwnedFd, path: &[u8]) -> Outcome<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
    }
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(names),
        Some(pair) => {
            Err(Failure::new(format!("{:?} is listed twice in /{}", pair[0], path.escape_ascii())))
        }
    }
}

#[allow(clippy::useless_conversion, reason = "st_nlink has 32 bits elsewhere")]
fn entry(open: BorrowedFd<'_>, stat: &Stat, content: Vec<u8>) -> Outcome<Entry> {
    Ok(Entry {
        mode: stat.st_mode,
        owner: (stat.st_uid, stat.st_gid),
        device: stat.st_rdev,
        size: stat.st_size,
        links: u64::from(stat.st_nlink),
        inode: stat.st_ino,
        modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec)?),
        changed: (stat.st_ctime, i64::try_from(stat.st_ctime_nsec)?),
        xattrs: xattrs(open)?,
        content,
    })
}

/// All extended attributes, also of what can only be opened as a path.
fn xattrs(open: BorrowedFd<'_>) -> Outcome<BTreeMap<Vec<u8>, Vec<u8>>> {
    let link = format!("/proc/self/fd/{}", open.as_raw_fd());
    let mut list = vec![0; 64 << 10];
    let length = match rustix::fs::listxattr(link.as_str(), &mut list[..]) {
        Err(Errno::NOTSUP) => return Ok(BTreeMap::new()),
        other => other?,
    };
    list.truncate(length);
    let mut found = BTreeMap::new();
    for name in list.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 64 << 10];
        match rustix::fs::getxattr(link.as_str(), name, &mut value[..]) {
            Ok(length) => value.truncate(length),
            // Listed and not to be had: that is a fact about the entry, too.
            Err(e) => value = format!("unreadable: {e}").into_bytes(),
        }
        found.insert(name.to_vec(), value);
    }
    Ok(found)
}

/// The digest of all blocks that aren't zero, with their places: what is a hole
/// and what was written as zeros is no difference, and a file that is all hole
/// costs nothing, whatever its size.
fn digest(file: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut digest = Sha256::new();
    let mut block = vec![0; BLOCK as usize];
    let mut offset = 0;
    while let Some(data) = next_data(file, offset)? {
        offset = data - data % BLOCK;
        let length = fill(file, &mut block, offset)?;
        if length == 0 {
            break;
        }
        if block[..length].iter().any(|b| *b != 0) {
            digest.update(offset.to_le_bytes());
            digest.update(&block[..length]);
        }
        offset += BLOCK;
    }
    Ok(digest.finalize().to_vec())
}

/// Where data is at or after an offset; the offset, where holes aren't known.
fn next_data(file: &OwnedFd, offset: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(data) => Ok(Some(data)),
        Err(Errno::NXIO) => Ok(None),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some(offset)),
        Err(e) => Err(e.into()),
    }
}

/// Reads until the block is full or the file ends.
fn fill(file: &OwnedFd, block: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < block.len() {
        match rustix::io::pread(file, &mut block[length..], offset + length as u64)? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tree;
    use std::fs;

    /// Each way of touching a tree is seen, and undoing it by name isn't enough.
    #[test]
    fn every_change_is_seen() {
        type Change = fn(&Tree) -> Outcome;
        let changes: [(&str, Change); 8] = [
            ("mode", |t| t.chmod("f", 0o600)),
            ("owner", |t| t.chown("f", 1, 2)),
            ("size", |t| t.file("f", b"longer")),
            ("content", |t| t.file("f", b"B")),
            ("xattrs", |t| t.set_xattr("f", "user.x", b"1")),
            ("links", |t| t.link("f", "g")),
            ("mtime", |t| t.set_mtime("f", 5)),
            ("is gone", |t| t.unlink("f")),
        ];
        for (word, change) in changes {
            let dir = tempfile::tempdir().unwrap();
            let tree = Tree::at(dir.path());
            tree.file("f", b"A").unwrap();
            let before = Snapshot::of(dir.path()).unwrap();
            assert_eq!(before.difference(&Snapshot::of(dir.path()).unwrap()), None);
            change(&tree).unwrap();
            let said = before.difference(&Snapshot::of(dir.path()).unwrap()).unwrap_or_default();
            let touched = said.contains(word) || said.contains("mtime");
            assert!(touched, "{word}: {said}");
        }
    }

    #[test]
    fn trees_are_alike_whose_links_are() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for dir in [&one, &two] {
            for name in ["a", "b"] {
                fs::write(dir.path().join(name), "x").unwrap();
            }
        }
        let read = |dir: &tempfile::TempDir| Snapshot::of(dir.path()).unwrap();
        assert_eq!(read(&one).unlike(&read(&two), true), None);
        for (dir, from) in [(&one, ["a", "b"]), (&two, ["b", "a"])] {
            fs::hard_link(dir.path().join(from[0]), dir.path().join("c")).unwrap();
            fs::hard_link(dir.path().join(from[1]), dir.path().join("d")).unwrap();
        }
        let said = read(&one).unlike(&read(&two), true).unwrap();
        assert!(said.contains("links to one file"), "{said}");
    }
}
