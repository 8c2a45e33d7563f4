//! Extended attributes of any file, by descriptor.
//!
//! The kernel has calls for open files and for paths, but (before 6.13) none
//! for a name in a directory. A path through `/proc/self/fd/N` leads to the
//! directory that descriptor N is open on; the one component after it isn't
//! followed, so nothing in a layer takes part in the look-up.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{self, XattrFlags};
use rustix::io::{Errno, Result};

use super::open::proc_path;

/// The most that the kernel holds of a value, and of a list of names
/// (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
const XATTR_MAX: usize = 64 * 1024;

/// Attributes by name, sorted by its bytes.
pub type Xattrs = BTreeMap<OsString, Vec<u8>>;

/// A file whose attributes are meant.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A file that is open for reading or writing.
    Open(BorrowedFd<'a>),
    /// Any file, by an `O_PATH` descriptor. Needs `/proc`.
    Path(BorrowedFd<'a>),
    /// A name in a directory; a symbolic link itself. Needs `/proc`.
    Entry(BorrowedFd<'a>, &'a OsStr),
}

impl<'a> Target<'a> {
    /// A file that is open for reading or writing.
    pub fn open<Fd: AsFd>(fd: &'a Fd) -> Self {
        Self::Open(fd.as_fd())
    }

    /// `None` for a file that has calls of its own. The flag says whether the
    /// last component must not be followed.
    fn path(self) -> Option<(PathBuf, bool)> {
        match self {
            Self::Open(_) => None,
            Self::Path(fd) => Some((proc_path(fd).into(), false)),
            Self::Entry(dir, name) => Some((PathBuf::from(proc_path(dir)).join(name), true)),
        }
    }

    fn list_into(self, buffer: &mut [u8]) -> Result<usize> {
        match (self, self.path()) {
            (Self::Open(fd), _) => fs::flistxattr(fd, buffer),
            (_, Some((path, true))) => fs::llistxattr(path, buffer),
            (_, Some((path, false))) => fs::listxattr(path, buffer),
            (_, None) => Err(Errno::BADF),
        }
    }

    fn get_into(self, name: &OsStr, buffer: &mut [u8]) -> Result<usize> {
        match (self, self.path()) {
            (Self::Open(fd), _) => fs::fgetxattr(fd, name, buffer),
            (_, Some((path, true))) => fs::lgetxattr(path, name, buffer),
            (_, Some((path, false))) => fs::getxattr(path, name, buffer),
            (_, None) => Err(Errno::BADF),
        }
    }
}

/// The value of `name`, or `None` if the file hasn't got it (or its file
/// system has no attributes).
///
/// # Errors
/// As getxattr(2).
pub fn get(file: Target<'_>, name: &OsStr) -> Result<Option<Vec<u8>>> {
    match read_growing(|buffer| file.get_into(name, buffer)) {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether the file has the attribute. Cheaper than [`get`].
///
/// # Errors
/// As getxattr(2).
pub fn has(file: Target<'_>, name: &OsStr) -> Result<bool> {
    match file.get_into(name, &mut []) {
        Ok(_) => Ok(true),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(false),
        Err(e) => Err(e),
    }
}

/// All attributes whose name `keep` wants. One system call if there are none.
///
/// # Errors
/// As listxattr(2) and getxattr(2). One that vanishes meanwhile is no error.
pub fn read(file: Target<'_>, keep: impl Fn(&[u8]) -> bool) -> Result<Xattrs> {
    let mut found = Xattrs::new();
    for name in names(file)?.split(|byte| *byte == 0) {
        if name.is_empty() || !keep(name) {
            continue;
        }
        let name = OsStr::from_bytes(name);
        if let Some(value) = get(file, name)? {
            found.insert(name.to_owned(), value);
        }
    }
    Ok(found)
}

/// The names, each ended by a zero byte, in the file system's order.
fn names(file: Target<'_>) -> Result<Vec<u8>> {
    match read_growing(|buffer| file.list_into(buffer)) {
        Err(Errno::NOTSUP) => Ok(Vec::new()),
        other => other,
    }
}

/// Sets an attribute, whether it was there or not.
///
/// # Errors
/// As setxattr(2); `NOTSUP` if the file system, or this type of file, can't
/// have it.
pub fn set(file: Target<'_>, name: &OsStr, value: &[u8]) -> Result<()> {
    let flags = XattrFlags::empty();
    match (file, file.path()) {
        (Target::Open(fd), _) => fs::fsetxattr(fd, name, value, flags),
        (_, Some((path, true))) => fs::lsetxattr(path, name, value, flags),
        (_, Some((path, false))) => fs::setxattr(path, name, value, flags),
        (_, None) => Err(Errno::BADF),
    }
}

/// Removes an attribute; one that isn't there is removed already.
///
/// # Errors
/// As removexattr(2).
pub fn remove(file: Target<'_>, name: &OsStr) -> Result<()> {
    let removed = match (file, file.path()) {
        (Target::Open(fd), _) => fs::fremovexattr(fd, name),
        (_, Some((path, true))) => fs::lremovexattr(path, name),
        (_, Some((path, false))) => fs::removexattr(path, name),
        (_, None) => Err(Errno::BADF),
    };
    match removed {
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
        other => other,
    }
}

/// Reads with a small buffer first, and with the largest that there can be only
/// if that is too small. (The kernel would tell the size, but rustix answers
/// 0 for an empty buffer.)
fn read_growing(mut read: impl FnMut(&mut [u8]) -> Result<usize>) -> Result<Vec<u8>> {
    let mut buffer = [0; 512];
    match read(&mut buffer) {
        Ok(len) => return Ok(buffer.get(..len).unwrap_or_default().to_vec()),
        Err(Errno::RANGE) => {}
        Err(e) => return Err(e),
    }
    let mut buffer = vec![0; XATTR_MAX];
    let len = read(&mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{Mode, OFlags};

    use super::*;
    use crate::at::Handle;

    #[test]
    fn attributes_of_every_kind_of_target() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), b"").unwrap();
        symlink("file", dir.path().join("link")).unwrap();
        let root = fs::open(dir.path(), OFlags::RDONLY, Mode::empty()).unwrap();
        let open = fs::openat(&root, "file", OFlags::RDONLY, Mode::empty()).unwrap();
        let handle = Handle::open(&root, OsStr::new("link")).unwrap();
        let name = OsStr::new("trusted.sapwood-test");
        let targets = [
            Target::open(&open),
            Target::Entry(root.as_fd(), OsStr::new("link")),
            Target::Path(handle.as_fd()),
        ];
        let large = vec![7; 3000];
        for (i, target) in targets.into_iter().enumerate() {
            set(target, name, &large).unwrap();
            assert!(has(target, name).unwrap());
            assert_eq!(get(target, name).unwrap().unwrap(), large);
            let all = read(target, |n| n.starts_with(b"trusted.")).unwrap();
            assert_eq!(all.into_iter().collect::<Vec<_>>(), [(name.to_owned(), large.clone())]);
            assert!(read(target, |_| false).unwrap().is_empty());
            // The link's attribute isn't the file's.
            assert_eq!(get(targets[usize::from(i == 0)], name).unwrap(), None, "{i}");
            remove(target, name).unwrap();
            remove(target, name).unwrap();
            assert!(!has(target, name).unwrap());
        }
        set(targets[0], OsStr::new("user.empty"), b"").unwrap();
        assert_eq!(get(targets[0], OsStr::new("user.empty")).unwrap(), Some(Vec::new()));
    }
}
