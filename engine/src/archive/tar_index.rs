//! Where each file of a tar archive lies, so that they can be read in any
//! order and side by side. The archive is walked once, header by header; file
//! contents are skipped.
//!
//! The headers are walked here and not by the tar crate's iterator because
//! that one reads extension records whole, however long an archive says they
//! are.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use tar::{EntryType, Header, PaxExtensions};

use super::member::Member;
use super::problem::{Problem, Result};

/// The unit that a tar archive consists of.
const BLOCK: u64 = 512;

/// Files in an image archive at most. Four a layer are usual.
const MAX_ENTRIES: usize = 100_000;

/// Bytes of all names together at most: what the index keeps in memory.
const MAX_NAMES: usize = 16 << 20;

/// Bytes of one extension record at most; a path has at most 4096.
const MAX_EXTENSION: u64 = 64 << 10;

/// Links from one name to another that are followed at most.
const MAX_LINKS: usize = 8;

/// A tar archive whose files can be opened by name.
#[derive(Debug)]
pub(crate) struct TarIndex {
    file: Arc<File>,
    entries: HashMap<Vec<u8>, Entry>,
}

#[derive(Debug)]
enum Entry {
    File {
        offset: u64,
        len: u64,
    },
    /// Another name within the archive, already resolved to a full one.
    Link(Vec<u8>),
}

impl Entry {
    fn link_len(&self) -> usize {
        match self {
            Self::File { .. } => 0,
            Self::Link(to) => to.len(),
        }
    }
}

impl TarIndex {
    /// Walks the archive that begins at byte `start` of `file`.
    pub(crate) fn new(file: Arc<File>, start: u64) -> Result<Self> {
        let end = file.metadata()?.len();
        let mut walk =
            Walk { file: &file, position: start, end, extensions: Extensions::default() };
        let (mut entries, mut names) = (HashMap::new(), 0);
        while let Some((name, entry)) = walk.next()? {
            names += name.len() + entry.link_len();
            if entries.len() == MAX_ENTRIES || names > MAX_NAMES {
                let text = format!(
                    "it has more than {MAX_ENTRIES} files, or more than {} MiB of names",
                    MAX_NAMES >> 20
                );
                return Err(Problem::new(text));
            }
            // As when it is unpacked: of two entries of one name, the later.
            entries.insert(name, entry);
        }
        Ok(Self { file, entries })
    }

    /// The file called `name`, through links if need be; `None` if there is
    /// none.
    pub(crate) fn open(&self, name: &str) -> Result<Option<Member>> {
        let Some(mut name) = normalise(name.as_bytes()) else { return Ok(None) };
        for _ in 0..=MAX_LINKS {
            match self.entries.get(&name) {
                None => return Ok(None),
                Some(Entry::File { offset, len }) => {
                    return Ok(Some(Member::new(Arc::clone(&self.file), *offset, *len)));
                }
                Some(Entry::Link(to)) => name.clone_from(to),
            }
        }
        Err(Problem::new(format!("{}: its links lead in a circle", show(&name))))
    }
}

/// What extension records said of the entry that follows them.
#[derive(Debug, Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

struct Walk<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    extensions: Extensions,
}

impl Walk<'_> {
    /// The next file or link, with its name.
    fn next(&mut self) -> Result<Option<(Vec<u8>, Entry)>> {
        while let Some(header) = self.header()? {
            let kind = header.entry_type();
            let declared = header
                .entry_size()
                .map_err(|e| Problem::because("a tar header has no readable size", e))?;
            if self.extension(kind, declared)? {
                continue;
            }
            let extensions = std::mem::take(&mut self.extensions);
            let len = extensions.size.unwrap_or(declared);
            let name = extensions.path.clone().unwrap_or_else(|| header.path_bytes().into_owned());
            let offset = self.skip(len, &name)?;
            let entry = match kind {
                EntryType::Regular | EntryType::Continuous => Some(Entry::File { offset, len }),
                EntryType::Link | EntryType::Symlink => link(&header, extensions.link, &name),
                _ => None,
            };
            if let (Some(name), Some(entry)) = (normalise(&name), entry) {
                return Ok(Some((name, entry)));
            }
        }
        Ok(None)
    }

    /// The header at the current position; `None` at the archive's end.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut header = Header::new_old();
        if self.position == self.end {
            return Ok(None);
        }
        self.read(header.as_mut_bytes(), "a tar header")?;
        if header.as_bytes().iter().all(|b| *b == 0) {
            return Ok(None);
        }
        if !has_good_checksum(&header) {
            let text =
                format!("there is no tar header at byte {} where one must be", self.position);
            return Err(Problem::new(text));
        }
        self.position += BLOCK;
        Ok(Some(header))
    }

    /// Takes an extension record in, if the entry is one.
    fn extension(&mut self, kind: EntryType, len: u64) -> Result<bool> {
        let known = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        if !known {
            return Ok(false);
        }
        if len > MAX_EXTENSION {
            let text =
                format!("an extension record has {len} bytes; at most {MAX_EXTENSION} are read");
            return Err(Problem::new(text));
        }
        #[allow(clippy::cast_possible_truncation)] // At most MAX_EXTENSION.
        let mut bytes = vec![0; len as usize];
        self.read(&mut bytes, "an extension record")?;
        self.skip(len, b"an extension record")?;
        if kind.is_gnu_longname() {
            self.extensions.path = Some(without_nul(bytes));
        } else if kind.is_gnu_longlink() {
            self.extensions.link = Some(without_nul(bytes));
        } else if kind.is_pax_local_extensions() {
            self.pax(&bytes)?;
        }
        Ok(true)
    }

    fn pax(&mut self, bytes: &[u8]) -> Result<()> {
        let bad = |e| Problem::because("a PAX record can't be understood", e);
        for record in PaxExtensions::new(bytes) {
            let record = record.map_err(bad)?;
            let value = record.value_bytes();
            match record.key_bytes() {
                b"path" => self.extensions.path = Some(value.to_vec()),
                b"linkpath" => self.extensions.link = Some(value.to_vec()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
                    let size = size.ok_or_else(|| Problem::new("a PAX size is no number"))?;
                    self.extensions.size = Some(size);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Passes over `len` bytes of content and its padding; tells where it is.
    fn skip(&mut self, len: u64, name: &[u8]) -> Result<u64> {
        let offset = self.position;
        let cut_off = || Problem::new(format!("it is cut off within {}", show(name)));
        let after = offset.checked_add(len).filter(|after| *after <= self.end);
        let after = after.ok_or_else(cut_off)?;
        // The very last padding may be missing: nothing is lost by that.
        self.position = after.next_multiple_of(BLOCK).min(self.end);
        Ok(offset)
    }

    fn read(&self, buf: &mut [u8], what: &str) -> Result<()> {
        self.file.read_exact_at(buf, self.position).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => Problem::new(format!("it is cut off within {what}")),
            _ => Problem::from(e),
        })
    }
}

/// The sum over the header's bytes, its own field counted as blanks (tar(5)).
pub(super) fn has_good_checksum(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let sum = |bytes: &[u8]| bytes.iter().map(|b| u32::from(*b)).sum::<u32>();
    let (Some(before), Some(after)) = (bytes.get(..148), bytes.get(156..)) else { return false };
    let blanks = 8 * u32::from(b' ');
    header.cksum().is_ok_and(|cksum| cksum == sum(before) + blanks + sum(after))
}

/// A symbolic link is relative to its folder, a hard link to the archive.
fn link(header: &Header, long: Option<Vec<u8>>, name: &[u8]) -> Option<Entry> {
    let target = long.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))?;
    let full = match (header.entry_type(), name.iter().rposition(|b| *b == b'/')) {
        (EntryType::Symlink, Some(slash)) if !target.starts_with(b"/") => {
            [name.get(..=slash)?, &target].concat()
        }
        _ => target,
    };
    normalise(&full).map(Entry::Link)
}

/// A name without `.`, `..` and double slashes; `None` if it leads out of the
/// archive or is empty.
fn normalise(name: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join(&b'/'))
}

fn without_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes
}

/// A name for a message.
fn show(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn index(bytes: &[u8]) -> Result<TarIndex> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        TarIndex::new(Arc::new(file), 0)
    }

    fn builder() -> tar::Builder<Vec<u8>> {
        tar::Builder::new(Vec::new())
    }

    fn add(tar: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content).unwrap();
    }

    fn add_link(tar: &mut tar::Builder<Vec<u8>>, kind: EntryType, name: &str, target: &str) {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        tar.append_link(&mut header, name, target).unwrap();
    }

    fn content(index: &TarIndex, name: &str) -> Option<Vec<u8>> {
        let member = index.open(name).unwrap()?;
        let mut bytes = Vec::new();
        member.reader().read_to_end(&mut bytes).unwrap();
        Some(bytes)
    }

    #[test]
    fn files_are_found_by_every_spelling_of_their_name() {
        let long = format!("blobs/{}/x", "n".repeat(300));
        let mut tar = builder();
        add(&mut tar, "./a/b", b"one");
        add(&mut tar, &long, &[7; 1000]);
        add(&mut tar, "twice", b"old");
        add(&mut tar, "twice", b"new");
        let index = index(&tar.into_inner().unwrap()).unwrap();
        for name in ["a/b", "/a/b", "./a//b", "a/x/../b"] {
            assert_eq!(content(&index, name).unwrap(), b"one", "{name}");
        }
        assert_eq!(content(&index, &long).unwrap(), [7; 1000]);
        assert_eq!(content(&index, "twice").unwrap(), b"new");
        assert!(content(&index, "a").is_none());
        assert!(content(&index, "../a/b").is_none());
    }

    #[test]
    fn links_are_followed_within_the_archive_only() {
        let mut tar = builder();
        add(&mut tar, "one/layer.tar", b"x");
        add_link(&mut tar, EntryType::Symlink, "two/layer.tar", "../one/layer.tar");
        add_link(&mut tar, EntryType::Link, "three/layer.tar", "two/layer.tar");
        add_link(&mut tar, EntryType::Symlink, "out", "../etc/passwd");
        add_link(&mut tar, EntryType::Symlink, "circle", "circle");
        let index = index(&tar.into_inner().unwrap()).unwrap();
        assert_eq!(content(&index, "two/layer.tar").unwrap(), b"x");
        assert_eq!(content(&index, "three/layer.tar").unwrap(), b"x");
        assert!(content(&index, "out").is_none());
        assert!(index.open("circle").unwrap_err().to_string().contains("circle"));
    }

    #[test]
    fn pax_sizes_and_paths_win() {
        let mut tar = builder();
        tar.append_pax_extensions([("path", b"pax/name".as_slice()), ("size", b"3")]).unwrap();
        let mut header = Header::new_ustar();
        header.set_path("short").unwrap();
        header.set_size(0);
        header.set_cksum();
        let mut bytes = tar.into_inner().unwrap();
        bytes.truncate(bytes.len() - 1024);
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"abc");
        let index = index(&bytes).unwrap();
        assert_eq!(content(&index, "pax/name").unwrap(), b"abc");
    }

    #[test]
    fn damage_is_found_wherever_the_archive_is_cut() {
        let mut tar = builder();
        add(&mut tar, "first", &[1; 700]);
        add(&mut tar, "second", &[2; 700]);
        let whole = tar.into_inner().unwrap();
        for cut in [100, 600, 1100, 1600, 1700, 2700] {
            let found = index(&whole[..cut]);
            assert!(found.is_err(), "cut at {cut}: {found:?}");
        }
        let mut damaged = whole.clone();
        damaged[3] ^= 1;
        assert!(index(&damaged).unwrap_err().to_string().contains("no tar header at byte 0"));
    }

    #[test]
    fn names_that_fill_the_memory_are_refused() {
        let mut tar = builder();
        for n in 0..300 {
            let long = format!("{n}/{}", "n".repeat(60_000));
            tar.append_pax_extensions([("path", long.as_bytes())]).unwrap();
            let mut header = Header::new_ustar();
            header.set_size(0);
            header.set_cksum();
            tar.append(&header, &b""[..]).unwrap();
        }
        let error = index(&tar.into_inner().unwrap()).unwrap_err().to_string();
        assert!(error.contains("of names"), "{error}");
    }

    #[test]
    fn a_record_that_claims_to_be_huge_is_not_read() {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.set_size(1 << 40);
        header.set_cksum();
        let error = index(header.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("at most"), "{error}");
    }
}
