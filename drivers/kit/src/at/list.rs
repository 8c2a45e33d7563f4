//! Reading a directory: all its names at once, sorted, in little memory.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{self, RawDir, SeekFrom};
use rustix::io::Result;

use super::meta::Kind;

/// What one getdents64(2) may return.
const BUFFER: usize = 32 * 1024;

/// The names in a directory, sorted by their bytes, without `.` and `..`.
///
/// Kept in one allocation for the bytes and one for the order: a directory of
/// a million names costs some 40 MB instead of 70, and no million allocations.
#[derive(Debug, Default)]
pub struct Names {
    bytes: Vec<u8>,
    order: Vec<Slot>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    start: usize,
    len: u16,
    kind: Option<Kind>,
}

/// A name in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    /// The name.
    pub name: &'a OsStr,
    /// Its type, if the directory knows it. A hint: it may be another by now.
    pub kind: Option<Kind>,
}

impl Names {
    /// Reads the directory that `dir` is open on, from its beginning.
    ///
    /// A name that is made or removed meanwhile may or may not be in it.
    ///
    /// # Errors
    /// As getdents64(2); `BADF` for an `O_PATH` descriptor.
    pub fn read(dir: impl AsFd) -> Result<Self> {
        let dir = dir.as_fd();
        fs::seek(dir, SeekFrom::Start(0))?;
        let mut names = Self::default();
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut entries = RawDir::new(dir, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            names.push(entry.file_name().to_bytes(), Kind::of(entry.file_type()));
        }
        names.sort();
        Ok(names)
    }

    fn push(&mut self, name: &[u8], kind: Option<Kind>) {
        if name != b"." && name != b".." {
            // NAME_MAX is 255 on every file system of Linux; dirent64 can't
            // hold more than 64 KiB.
            let len = u16::try_from(name.len()).unwrap_or(u16::MAX);
            self.order.push(Slot { start: self.bytes.len(), len, kind });
            self.bytes.extend_from_slice(name);
        }
    }

    fn sort(&mut self) {
        let Self { bytes, order } = self;
        order.sort_unstable_by(|a, b| slice(bytes, a).cmp(slice(bytes, b)));
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether the directory is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The name at `index` in the order of bytes.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Name<'_>> {
        let slot = self.order.get(index)?;
        Some(Name { name: OsStr::from_bytes(slice(&self.bytes, slot)), kind: slot.kind })
    }

    /// All, in the order of bytes.
    pub fn iter(&self) -> impl Iterator<Item = Name<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

fn slice<'a>(bytes: &'a [u8], slot: &Slot) -> &'a [u8] {
    bytes.get(slot.start..slot.start + usize::from(slot.len)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rustix::fs::{Mode, OFlags};

    use super::*;

    #[test]
    fn names_come_sorted_and_can_be_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let odd = OsStr::from_bytes(b"\xff\n");
        for name in ["b", "a-", "a", "Z"].map(OsStr::new).into_iter().chain([odd]) {
            std::fs::write(dir.path().join(name), b"").unwrap();
        }
        std::fs::create_dir(dir.path().join("a.d")).unwrap();
        let fd = fs::open(dir.path(), OFlags::RDONLY, Mode::empty()).unwrap();
        for _ in 0..2 {
            let names = Names::read(&fd).unwrap();
            let found: Vec<_> = names.iter().map(|n| n.name.as_bytes()).collect();
            assert_eq!(found, [&b"Z"[..], b"a", b"a-", b"a.d", b"b", b"\xff\n"]);
            assert_eq!(names.get(3).unwrap().kind, Some(Kind::Directory));
            assert_eq!(names.get(6), None);
        }
    }

    #[test]
    fn a_directory_larger_than_the_buffer_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let name = |i: usize| format!("{i:0250}");
        for i in 0..500 {
            std::fs::write(dir.path().join(name(i)), b"").unwrap();
        }
        let names =
            Names::read(fs::open(dir.path(), OFlags::RDONLY, Mode::empty()).unwrap()).unwrap();
        let expected: Vec<_> = (0..500).map(name).collect();
        assert!(names.iter().map(|n| n.name).eq(expected.iter().map(OsStr::new)));
    }
}
