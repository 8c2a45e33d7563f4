//! What cases do to a tree, always by descriptor: paths are relative to the
//! tree's root, and a symbolic link as the last component is never followed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    self, AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, Uid,
    XattrFlags,
};
use rustix::io::Errno;

use super::stop::{Verdict, When};
use crate::snapshot::Snapshot;

/// A tree, from its root directory.
#[derive(Debug)]
pub(super) struct Files {
    root: OwnedFd,
}

/// What leaves a time as it is.
const OMIT: Timespec = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT };

/// The result of a system call whose error a case looks at itself.
pub(super) type Sys<T = ()> = Result<T, Errno>;

impl Files {
    /// The tree whose root directory `root` is.
    pub(super) fn at(root: BorrowedFd<'_>) -> Verdict<Self> {
        Ok(Self { root: root.try_clone_to_owned()? })
    }

    /// The tree at a path of the host.
    pub(super) fn of(path: &Path) -> Verdict<Self> {
        Ok(Self { root: fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())? })
    }

    /// The root directory.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Everything in it.
    pub(super) fn snapshot(&self) -> Verdict<Snapshot> {
        Snapshot::capture(self.root.as_fd()).when("capture the tree")
    }

    // Making files ------------------------------------------------------

    /// Opens a file as asked; new ones get mode 0644, whatever the umask.
    pub(super) fn open(&self, path: impl AsRef<Path>, flags: OFlags) -> Sys<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        fs::openat(&self.root, path.as_ref(), flags, Mode::from_raw_mode(0o644))
    }

    /// Writes a regular file, in place of what it held.
    pub(super) fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Verdict {
        let path = path.as_ref();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let mut file = File::from(self.open(path, flags).when(format_args!("write {path:?}"))?);
        file.write_all(bytes.as_ref()).when(format_args!("write {path:?}"))
    }

    /// Appends to a regular file that is there.
    pub(super) fn append(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Verdict {
        let mut file = File::from(self.open(path, OFlags::WRONLY | OFlags::APPEND)?);
        Ok(file.write_all(bytes.as_ref())?)
    }

    /// Writes into the middle of a regular file that is there.
    pub(super) fn patch(&self, path: impl AsRef<Path>, offset: u64, bytes: &[u8]) -> Verdict {
        let file = File::from(self.open(path, OFlags::WRONLY)?);
        Ok(file.write_all_at(bytes, offset)?)
    }

    /// Reads a regular file.
    pub(super) fn read(&self, path: impl AsRef<Path>) -> Verdict<Vec<u8>> {
        let path = path.as_ref();
        let fd = self.open(path, OFlags::RDONLY).when(format_args!("open {path:?}"))?;
        let mut bytes = Vec::new();
        File::from(fd).read_to_end(&mut bytes).when(format_args!("read {path:?}"))?;
        Ok(bytes)
    }

    /// Makes a directory, 0755.
    pub(super) fn dir(&self, path: impl AsRef<Path>) -> Verdict {
        let path = path.as_ref();
        self.mkdir(path).when(format_args!("mkdir {path:?}"))
    }

    /// mkdir(2), as it answers.
    pub(super) fn mkdir(&self, path: impl AsRef<Path>) -> Sys {
        fs::mkdirat(&self.root, path.as_ref(), Mode::from_raw_mode(0o755))
    }

    /// Makes a symbolic link.
    pub(super) fn symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> Verdict {
        let path = path.as_ref();
        fs::symlinkat(target.as_ref(), &self.root, path).when(format_args!("symlink {path:?}"))
    }

    /// Makes a FIFO, a socket, or an empty file, 0644.
    pub(super) fn node(&self, path: impl AsRef<Path>, kind: FileType) -> Verdict {
        self.device(path, kind, 0, 0)
    }

    /// Makes a device node, 0644.
    pub(super) fn device(
        &self,
        path: impl AsRef<Path>,
        kind: FileType,
        major: u32,
        minor: u32,
    ) -> Verdict {
        let path = path.as_ref();
        self.mknod(path, kind, major, minor).when(format_args!("mknod {path:?}"))
    }

    /// Makes an empty regular file, in one call.
    pub(super) fn mknod_file(&self, path: &str) -> Verdict {
        self.node(path, FileType::RegularFile)
    }

    /// mknod(2), as it answers.
    pub(super) fn mknod(
        &self,
        path: impl AsRef<Path>,
        kind: FileType,
        major: u32,
        minor: u32,
    ) -> Sys {
        let mode = Mode::from_raw_mode(0o644);
        fs::mknodat(&self.root, path.as_ref(), kind, mode, fs::makedev(major, minor))
    }

    // Names -------------------------------------------------------------

    /// Makes another name of a file.
    pub(super) fn link(&self, old: impl AsRef<Path>, new: impl AsRef<Path>) -> Verdict {
        let (old, new) = (old.as_ref(), new.as_ref());
        fs::linkat(&self.root, old, &self.root, new, AtFlags::empty())
            .when(format_args!("link {old:?} {new:?}"))
    }

    /// rename(2), as it answers.
    pub(super) fn try_rename(&self, old: impl AsRef<Path>, new: impl AsRef<Path>) -> Sys {
        fs::renameat(&self.root, old.as_ref(), &self.root, new.as_ref())
    }

    /// Renames.
    pub(super) fn rename(&self, old: impl AsRef<Path>, new: impl AsRef<Path>) -> Verdict {
        let (old, new) = (old.as_ref(), new.as_ref());
        self.try_rename(old, new).when(format_args!("rename {old:?} {new:?}"))
    }

    /// renameat2(2), as it answers.
    pub(super) fn rename_with(
        &self,
        old: impl AsRef<Path>,
        new: impl AsRef<Path>,
        flags: RenameFlags,
    ) -> Sys {
        fs::renameat_with(&self.root, old.as_ref(), &self.root, new.as_ref(), flags)
    }

    /// Removes a name that isn't a directory.
    pub(super) fn unlink(&self, path: impl AsRef<Path>) -> Verdict {
        let path = path.as_ref();
        fs::unlinkat(&self.root, path, AtFlags::empty()).when(format_args!("unlink {path:?}"))
    }

    /// rmdir(2), as it answers.
    pub(super) fn try_rmdir(&self, path: impl AsRef<Path>) -> Sys {
        fs::unlinkat(&self.root, path.as_ref(), AtFlags::REMOVEDIR)
    }

    /// Removes an empty directory.
    pub(super) fn rmdir(&self, path: impl AsRef<Path>) -> Verdict {
        let path = path.as_ref();
        self.try_rmdir(path).when(format_args!("rmdir {path:?}"))
    }

    /// The names in a directory, sorted, without `.` and `..`.
    pub(super) fn names(&self, path: impl AsRef<Path>) -> Verdict<Vec<OsString>> {
        let path = path.as_ref();
        let fd = self.open(path, OFlags::DIRECTORY).when(format_args!("open {path:?}"))?;
        let mut names = Vec::new();
        for entry in fs::Dir::new(fd)? {
            let entry = entry.when(format_args!("list {path:?}"))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    // Attributes --------------------------------------------------------

    /// lstat(2), as it answers.
    pub(super) fn try_stat(&self, path: impl AsRef<Path>) -> Sys<Stat> {
        fs::statat(&self.root, path.as_ref(), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// lstat(2).
    pub(super) fn stat(&self, path: impl AsRef<Path>) -> Verdict<Stat> {
        let path = path.as_ref();
        self.try_stat(path).when(format_args!("stat {path:?}"))
    }

    /// Whether something is there.
    pub(super) fn has(&self, path: impl AsRef<Path>) -> Verdict<bool> {
        match self.try_stat(path) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Sets the permission bits; not those of a symbolic link.
    pub(super) fn chmod(&self, path: impl AsRef<Path>, mode: u32) -> Verdict {
        let path = path.as_ref();
        fs::chmodat(&self.root, path, Mode::from_raw_mode(mode), AtFlags::empty())
            .when(format_args!("chmod {path:?}"))
    }

    /// Sets owner and group, a symbolic link's own too.
    pub(super) fn chown(&self, path: impl AsRef<Path>, uid: u32, gid: u32) -> Verdict {
        let path = path.as_ref();
        self.try_chown(path, uid, gid).when(format_args!("chown {path:?}"))
    }

    /// lchown(2), as it answers.
    pub(super) fn try_chown(&self, path: impl AsRef<Path>, uid: u32, gid: u32) -> Sys {
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        fs::chownat(&self.root, path.as_ref(), owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Sets the modification time, a symbolic link's own too.
    pub(super) fn touch(&self, path: impl AsRef<Path>, sec: i64, nsec: i64) -> Verdict {
        let path = path.as_ref();
        let last_modification = Timespec { tv_sec: sec, tv_nsec: nsec };
        let times = Timestamps { last_access: OMIT, last_modification };
        fs::utimensat(&self.root, path, &times, AtFlags::SYMLINK_NOFOLLOW)
            .when(format_args!("utimens {path:?}"))
    }

    /// Sets an extended attribute, a symbolic link's own too.
    pub(super) fn set_xattr(&self, path: impl AsRef<Path>, name: &str, value: &[u8]) -> Verdict {
        let path = path.as_ref();
        self.try_set_xattr(path, name, value).when(format_args!("setxattr {name} {path:?}"))
    }

    /// lsetxattr(2), as it answers.
    pub(super) fn try_set_xattr(&self, path: impl AsRef<Path>, name: &str, value: &[u8]) -> Sys {
        fs::lsetxattr(self.by_magic_link(path.as_ref()), name, value, XattrFlags::empty())
    }

    /// An extended attribute of at most 64 KiB; `None` if it isn't there.
    pub(super) fn xattr(&self, path: impl AsRef<Path>, name: &str) -> Verdict<Option<Vec<u8>>> {
        let path = path.as_ref();
        let mut value = vec![0; 1 << 16];
        match fs::lgetxattr(self.by_magic_link(path), name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                Ok(Some(value))
            }
            Err(Errno::NODATA) => Ok(None),
            Err(errno) => Err(errno).when(format_args!("getxattr {name} {path:?}")),
        }
    }

    /// Removes an extended attribute.
    pub(super) fn remove_xattr(&self, path: impl AsRef<Path>, name: &str) -> Verdict {
        fs::lremovexattr(self.by_magic_link(path.as_ref()), name)
            .when(format_args!("removexattr {name}"))
    }

    /// There is no lsetxattrat(2) before Linux 6.13: the link that /proc keeps
    /// for the root's descriptor stands in for it. All but the last component
    /// must be real directories, as everywhere here.
    fn by_magic_link(&self, path: &Path) -> PathBuf {
        let link = format!("/proc/self/fd/{}", self.root.as_raw_fd());
        if path == Path::new(".") { Path::new(&link).join("") } else { Path::new(&link).join(path) }
    }
}

/// A directory of the host, made if it isn't there.
pub(super) fn make_dir(path: &Path) -> Verdict {
    match fs::mkdirat(CWD, path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno).when(format_args!("mkdir {path:?}")),
    }
}
