//! Reads a real tree into a snapshot.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::Snapshot;
use super::content::Digester;
use super::entry::{Entry, Kind, Timestamp, When};
use super::walk::{Found, Meta, Visit, runs, walk};

impl Snapshot {
    /// Reads the tree whose root directory `root` is (any descriptor of it,
    /// `O_PATH` too).
    ///
    /// Every directory is read in the order of names, and every path below is
    /// reached from its parent's descriptor without following symbolic links.
    /// Extended attributes: all that listxattr(2) tells the caller, except
    /// those in which overlay file systems keep their books
    /// (`trusted.overlay.*`, `user.overlay.*`), and `security.selinux`, which
    /// a host's policy writes by itself.
    ///
    /// The tree should be at rest. Holds one descriptor a level of depth, and
    /// needs `/proc` for the attributes of symbolic links and special files.
    ///
    /// # Errors
    /// The first error met, with the path and what was being done.
    pub fn capture(root: BorrowedFd<'_>) -> io::Result<Self> {
        let mut capture = Capture::default();
        walk(root, &mut capture)?;
        Ok(capture.finish())
    }
}

#[derive(Default)]
struct Capture {
    entries: BTreeMap<PathBuf, Entry>,
    /// The names of each file that has several, as met.
    names: HashMap<(u64, u64), Vec<PathBuf>>,
    buffer: Vec<u8>,
}

impl Visit for Capture {
    fn visit(&mut self, path: &Path, meta: Meta, found: Found<'_>) -> Result<(), Errno> {
        let stat = meta.stat;
        let kind = match found {
            Found::Directory => Kind::Directory,
            Found::File(file) => {
                let len = u64::try_from(stat.st_size).unwrap_or(0);
                let mut digester = Digester::default();
                let len = runs(file, len, &mut self.buffer, |at, data| digester.update(at, data))?;
                Kind::File(digester.finish(len))
            }
            Found::Symlink(target) => Kind::Symlink(target),
            Found::CharDevice(major, minor) => Kind::CharDevice(major, minor),
            Found::BlockDevice(major, minor) => Kind::BlockDevice(major, minor),
            Found::Fifo => Kind::Fifo,
            Found::Socket => Kind::Socket,
        };
        let is_directory = matches!(kind, Kind::Directory);
        if !is_directory && stat.st_nlink > 1 {
            self.names.entry((stat.st_dev, stat.st_ino)).or_default().push(path.to_owned());
        }
        self.entries.insert(
            path.to_owned(),
            Entry {
                kind,
                mode: stat.st_mode & 0o7777,
                uid: stat.st_uid,
                gid: stat.st_gid,
                mtime: When::At(mtime(&stat)),
                xattrs: meta.xattrs,
                nlink: (!is_directory).then_some(stat.st_nlink),
            },
        );
        Ok(())
    }
}

/// The modification time in a file's status.
pub(crate) fn mtime(stat: &rustix::fs::Stat) -> Timestamp {
    Timestamp { sec: stat.st_mtime, nsec: u32::try_from(stat.st_mtime_nsec).unwrap_or(u32::MAX) }
}

impl Capture {
    fn finish(self) -> Snapshot {
        let mut links = BTreeMap::new();
        // The walk is in path order, so the first name met is the first one.
        for names in self.names.into_values() {
            if let Some((first, others)) = names.split_first() {
                links.extend(others.iter().map(|other| (other.clone(), first.clone())));
            }
        }
        Snapshot { entries: self.entries, links }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{FileExt, symlink};

    use rustix::fs::{self, CWD, FileType, Mode, OFlags, XattrFlags};

    #[test]
    fn a_real_tree_is_read_completely() {
        let temp = tempfile::tempdir().unwrap();
        let t = temp.path();
        std::fs::create_dir(t.join("d")).unwrap();
        std::fs::write(t.join("d/file"), b"hello").unwrap();
        std::fs::hard_link(t.join("d/file"), t.join("a")).unwrap();
        symlink("nowhere\u{fffd}", t.join("d-link")).unwrap();
        fs::setxattr(t.join("a"), "user.x", b"1", XattrFlags::empty()).unwrap();
        fs::mknodat(CWD, t.join("fifo"), FileType::Fifo, Mode::from(0o600), 0).unwrap();
        let sparse = std::fs::File::create(t.join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        sparse.write_all_at(b"x", 1 << 39).unwrap();

        let root = fs::openat(CWD, t, OFlags::PATH, Mode::empty()).unwrap();
        let actual = Snapshot::capture(root.as_fd()).unwrap();

        let mut big = Digester::default();
        big.update(1 << 39, b"x");
        let root_mode = actual.get(".").unwrap().mode;
        let expected = Snapshot::new()
            .with(".", Entry::directory().mode(root_mode))
            .with("d", Entry::directory())
            .with("d/file", Entry::file(b"hello").xattr("user.x", b"1"))
            .link("a", "d/file")
            .with("d-link", Entry::symlink("nowhere\u{fffd}"))
            .with("fifo", Entry::new(Kind::Fifo).mode(0o600))
            .with("sparse", Entry::new(Kind::File(big.finish(1 << 40))));
        assert_eq!(expected.differences(&actual), []);
        let order: Vec<_> = actual.iter().map(|(path, _)| path).collect();
        assert_eq!(order, [".", "a", "d", "d/file", "d-link", "fifo", "sparse"].map(Path::new));
    }

    #[test]
    fn a_tree_that_is_not_a_directory_is_an_error_that_says_so() {
        let file = tempfile::tempfile().unwrap();
        assert!(Snapshot::capture(file.as_fd()).is_err());
    }
}
