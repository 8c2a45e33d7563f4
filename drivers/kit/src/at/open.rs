//! Opening: single names without following links, and whole paths that the
//! kernel keeps beneath a root.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

use super::meta::{Kind, Meta};

/// How often a look-up is repeated that the kernel gave up because something
/// was renamed or mounted on the host meanwhile (openat2(2), EAGAIN).
const ATTEMPTS: usize = 128;

/// Opens the directory `name` in `dir` for reading.
///
/// # Errors
/// `NOTDIR` if it is anything else, a symbolic link included; `NOENT`.
pub fn open_dir(dir: impl AsFd, name: &OsStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(dir, name, flags, Mode::empty())
}

/// Opens the regular file `name` in `dir` for reading.
///
/// Nothing else is ever opened, not even for a moment: whoever can write to
/// the tree may put a FIFO in a file's place, on which opening would wait for
/// ever, or a device whose driver acts when it is opened.
///
/// # Errors
/// `INVAL` if it isn't a regular file; `NOENT`.
pub fn open_file(dir: impl AsFd, name: &OsStr) -> Result<(OwnedFd, Meta)> {
    let handle = Handle::open(dir, name)?;
    if handle.meta.kind != Kind::File {
        return Err(Errno::INVAL);
    }
    Ok((handle.read()?, handle.meta))
}

/// Makes the regular file `name` in `dir`, empty, and opens it for writing.
/// The mode is subject to the umask, or to a default ACL of the directory.
///
/// # Errors
/// `EXIST` if anything is there, a dangling symbolic link included.
pub fn create_file(dir: impl AsFd, name: &OsStr, mode: u32) -> Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(dir, name, flags, Mode::from_raw_mode(mode))
}

/// Opens `path` beneath `root` with `flags`; none of its components may be a
/// symbolic link.
///
/// # Errors
/// `LOOP` for a symbolic link, `XDEV` for a path that leaves `root`.
pub fn open_beneath(root: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    resolve(root.as_fd(), path, flags, how)
}

/// Opens `path` with `flags` as a process would that has `root` for its root
/// directory (chroot(2)): symbolic links are followed, and neither they nor
/// `..` lead out.
///
/// # Errors
/// `LOOP` for a magic link of `/proc` or too many links; else as openat2(2).
pub fn open_in_root(root: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd> {
    resolve(root.as_fd(), path, flags, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

fn resolve(root: BorrowedFd<'_>, path: &Path, flags: OFlags, how: ResolveFlags) -> Result<OwnedFd> {
    let mut last = Errno::AGAIN;
    for _ in 0..ATTEMPTS {
        match fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
            Err(e @ (Errno::AGAIN | Errno::INTR)) => last = e,
            other => return other,
        }
    }
    Err(last)
}

/// Opens again what `fd` is open on, with other flags (from `O_PATH` to
/// reading, say). Needs `/proc`.
///
/// # Errors
/// As open(2) of that file; `NOENT` if `/proc` isn't mounted.
pub fn reopen(fd: impl AsFd, flags: OFlags) -> Result<OwnedFd> {
    fs::open(proc_path(fd.as_fd()), flags | OFlags::CLOEXEC, Mode::empty())
}

/// The target of the symbolic link `name` in `dir`.
///
/// # Errors
/// `INVAL` if it isn't a symbolic link.
pub fn read_link(dir: impl AsFd, name: &OsStr) -> Result<OsString> {
    let target = fs::readlinkat(dir, name, Vec::new())?;
    Ok(OsString::from_vec(target.into_bytes()))
}

/// A file that is known by an `O_PATH` descriptor: it can't be exchanged for
/// another any more, and it hasn't been opened, which for a FIFO or a device
/// would have effects.
#[derive(Debug)]
pub struct Handle {
    fd: OwnedFd,
    /// As it was when the handle was taken.
    pub meta: Meta,
}

impl Handle {
    /// Takes hold of `name` in `dir`, whatever it is; a symbolic link isn't
    /// followed.
    ///
    /// # Errors
    /// `NOENT`.
    pub fn open(dir: impl AsFd, name: &OsStr) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(dir, name, flags, Mode::empty())?;
        let meta = Meta::of(&fd)?;
        Ok(Self { fd, meta })
    }

    /// Opens it for reading. Only sensible for regular files and directories.
    ///
    /// # Errors
    /// As [`reopen`].
    pub fn read(&self) -> Result<OwnedFd> {
        reopen(&self.fd, OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK)
    }

    /// The target, if it is a symbolic link.
    ///
    /// # Errors
    /// `NOENT` if it isn't one (readlinkat(2) says so for an empty path).
    pub fn read_link(&self) -> Result<OsString> {
        read_link(&self.fd, OsStr::new(""))
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The magic link that leads to the very file that `fd` is open on, even if
/// that is a symbolic link.
pub(super) fn proc_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> (tempfile::TempDir, OwnedFd) {
        let dir = tempfile::tempdir().unwrap();
        let fd = fs::open(dir.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        (dir, fd)
    }

    #[test]
    fn only_regular_files_are_opened() {
        let (dir, fd) = tree();
        std::fs::write(dir.path().join("file"), b"x").unwrap();
        symlink("file", dir.path().join("link")).unwrap();
        fs::mknodat(&fd, "fifo", fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        let mut found = String::new();
        let (file, meta) = open_file(&fd, OsStr::new("file")).unwrap();
        std::io::Read::read_to_string(&mut std::fs::File::from(file), &mut found).unwrap();
        assert_eq!((found.as_str(), meta.size), ("x", 1));
        // Would hang if it opened the FIFO.
        assert_eq!(open_file(&fd, OsStr::new("fifo")).unwrap_err(), Errno::INVAL);
        assert_eq!(open_file(&fd, OsStr::new("link")).unwrap_err(), Errno::INVAL);
        assert_eq!(open_file(&fd, OsStr::new("none")).unwrap_err(), Errno::NOENT);
        assert_eq!(open_dir(&fd, OsStr::new("link")).unwrap_err(), Errno::NOTDIR);
        let link = Handle::open(&fd, OsStr::new("link")).unwrap();
        assert_eq!(link.read_link().unwrap(), "file");
    }

    #[test]
    fn paths_stay_within_the_root() {
        let (dir, fd) = tree();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        symlink("/a", dir.path().join("a/up")).unwrap();
        symlink("../../../../a", dir.path().join("out")).unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let b = Meta::of(open_in_root(&fd, Path::new("a/b"), flags).unwrap()).unwrap();
        for path in ["/a/up/b", "out/up/up/../a/b", "../../a/b"] {
            let found = Meta::of(open_in_root(&fd, Path::new(path), flags).unwrap()).unwrap();
            assert_eq!(found.id, b.id, "{path}");
        }
        let beneath = |path: &str| open_beneath(&fd, Path::new(path), flags);
        assert_eq!(Meta::of(beneath("a/b").unwrap()).unwrap().id, b.id);
        assert_eq!(beneath("out/b").unwrap_err(), Errno::LOOP);
        assert_eq!(beneath("../a").unwrap_err(), Errno::XDEV);
        assert_eq!(beneath("/a").unwrap_err(), Errno::XDEV);
    }
}
