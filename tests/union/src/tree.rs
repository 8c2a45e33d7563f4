//! Short words for system calls below a directory. Nothing here is clever: a
//! case must read as what it does.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, Uid,
    XattrFlags,
};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::failure::Outcome;

/// A directory, and calls on what is below it. Names are relative to it; an
/// empty one is the directory itself. Symbolic links in the last place aren't
/// followed.
#[derive(Debug, Clone)]
pub struct Tree(PathBuf);

impl Tree {
    /// The tree below a directory.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// The path of a name.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        if name.as_ref().as_os_str().is_empty() { self.0.clone() } else { self.0.join(name) }
    }

    /// Opens.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(&self, name: impl AsRef<Path>, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mode = Mode::from_raw_mode(0o666);
        rustix::fs::open(self.path(name), flags | OFlags::CLOEXEC, mode)
    }

    /// Opens as a file of the standard library.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open_file(&self, name: impl AsRef<Path>, flags: OFlags) -> Result<fs::File, Errno> {
        self.open(name, flags).map(fs::File::from)
    }

    /// Makes a file with this content, or gives it that.
    ///
    /// # Errors
    /// Those of open(2) and write(2).
    pub fn file(&self, name: impl AsRef<Path>, content: &[u8]) -> Outcome {
        Ok(fs::write(self.path(name), content)?)
    }

    /// The content of a file.
    ///
    /// # Errors
    /// Those of open(2) and read(2).
    pub fn read(&self, name: impl AsRef<Path>) -> Outcome<Vec<u8>> {
        Ok(fs::read(self.path(name))?)
    }

    /// Adds to the end of a file.
    ///
    /// # Errors
    /// Those of open(2) and write(2).
    pub fn append(&self, name: impl AsRef<Path>, content: &[u8]) -> Outcome {
        let file = self.open(name, OFlags::WRONLY | OFlags::APPEND)?;
        Ok(rustix::io::write(file, content).map(drop)?)
    }

    /// Overwrites a part of a file.
    ///
    /// # Errors
    /// Those of open(2) and pwrite(2).
    pub fn write_at(&self, name: impl AsRef<Path>, offset: u64, content: &[u8]) -> Outcome {
        Ok(self.open_file(name, OFlags::WRONLY)?.write_all_at(content, offset)?)
    }

    /// Makes a directory, 0755 before the umask.
    ///
    /// # Errors
    /// Those of mkdir(2).
    pub fn dir(&self, name: impl AsRef<Path>) -> Result<(), Errno> {
        rustix::fs::mkdir(self.path(name), Mode::from_raw_mode(0o755))
    }

    /// Makes a directory and those above it.
    ///
    /// # Errors
    /// Those of mkdir(2).
    pub fn dirs(&self, name: impl AsRef<Path>) -> Outcome {
        Ok(fs::create_dir_all(self.path(name))?)
    }

    /// Makes a device, a FIFO, or a socket.
    ///
    /// # Errors
    /// Those of mknod(2).
    pub fn node(
        &self,
        name: impl AsRef<Path>,
        kind: FileType,
        mode: u32,
        device: (u32, u32),
    ) -> Result<(), Errno> {
        let device = rustix::fs::makedev(device.0, device.1);
        rustix::fs::mknodat(CWD, self.path(name), kind, Mode::from_raw_mode(mode), device)
    }

    /// Makes overlayfs's whiteout: a character device 0:0.
    ///
    /// # Errors
    /// Those of mknod(2).
    pub fn whiteout(&self, name: impl AsRef<Path>) -> Result<(), Errno> {
        self.node(name, FileType::CharacterDevice, 0, (0, 0))
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// Those of symlink(2).
    pub fn symlink(&self, target: impl Arg, name: impl AsRef<Path>) -> Result<(), Errno> {
        rustix::fs::symlink(target, self.path(name))
    }

    /// Where a symbolic link leads.
    ///
    /// # Errors
    /// Those of readlink(2).
    pub fn target(&self, name: impl AsRef<Path>) -> Result<Vec<u8>, Errno> {
        rustix::fs::readlink(self.path(name), Vec::new()).map(CString::into_bytes)
    }

    /// Makes a hard link.
    ///
    /// # Errors
    /// Those of link(2).
    pub fn link(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Outcome {
        Ok(rustix::fs::link(self.path(from), self.path(to))?)
    }

    /// Removes a name that is no directory's.
    ///
    /// # Errors
    /// Those of unlink(2).
    pub fn unlink(&self, name: impl AsRef<Path>) -> Outcome {
        Ok(rustix::fs::unlink(self.path(name))?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// Those of rmdir(2).
    pub fn rmdir(&self, name: impl AsRef<Path>) -> Result<(), Errno> {
        rustix::fs::rmdir(self.path(name))
    }

    /// Renames.
    ///
    /// # Errors
    /// Those of rename(2).
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), Errno> {
        rustix::fs::rename(self.path(from), self.path(to))
    }

    /// Renames with flags.
    ///
    /// # Errors
    /// Those of renameat2(2).
    pub fn rename_with(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        flags: RenameFlags,
    ) -> Result<(), Errno> {
        rustix::fs::renameat_with(CWD, self.path(from), CWD, self.path(to), flags)
    }

    /// The attributes of a name.
    ///
    /// # Errors
    /// Those of lstat(2).
    pub fn stat(&self, name: impl AsRef<Path>) -> Result<Stat, Errno> {
        rustix::fs::lstat(self.path(name))
    }

    /// Permissions, with setuid, setgid and sticky bits.
    ///
    /// # Errors
    /// Those of lstat(2).
    pub fn mode(&self, name: impl AsRef<Path>) -> Result<u32, Errno> {
        Ok(self.stat(name)?.st_mode & 0o7777)
    }

    /// Changes permissions.
    ///
    /// # Errors
    /// Those of chmod(2).
    pub fn chmod(&self, name: impl AsRef<Path>, mode: u32) -> Outcome {
        Ok(rustix::fs::chmod(self.path(name), Mode::from_raw_mode(mode))?)
    }

    /// Changes owner and group.
    ///
    /// # Errors
    /// Those of lchown(2).
    pub fn chown(&self, name: impl AsRef<Path>, uid: u32, gid: u32) -> Outcome {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::chownat(CWD, self.path(name), uid, gid, flags)?)
    }

    /// Sets the length of a file.
    ///
    /// # Errors
    /// Those of open(2) and ftruncate(2).
    pub fn truncate(&self, name: impl AsRef<Path>, length: u64) -> Outcome {
        Ok(rustix::fs::ftruncate(self.open(name, OFlags::WRONLY)?, length)?)
    }

    /// Sets the times of access and modification, in whole seconds.
    ///
    /// # Errors
    /// Those of utimensat(2).
    pub fn set_mtime(&self, name: impl AsRef<Path>, seconds: i64) -> Outcome {
        let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
        self.set_times(name, time, time)
    }

    /// Sets the times of access and modification.
    ///
    /// # Errors
    /// Those of utimensat(2).
    pub fn set_times(&self, name: impl AsRef<Path>, access: Timespec, change: Timespec) -> Outcome {
        let times = Timestamps { last_access: access, last_modification: change };
        Ok(rustix::fs::utimensat(CWD, self.path(name), &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Sets an extended attribute.
    ///
    /// # Errors
    /// Those of lsetxattr(2).
    pub fn set_xattr(&self, name: impl AsRef<Path>, key: &str, value: &[u8]) -> Outcome {
        Ok(self.try_set_xattr(name, key, value, XattrFlags::empty())?)
    }

    /// Sets an extended attribute, with flags.
    ///
    /// # Errors
    /// Those of lsetxattr(2).
    pub fn try_set_xattr(
        &self,
        name: impl AsRef<Path>,
        key: &str,
        value: &[u8],
        flags: XattrFlags,
    ) -> Result<(), Errno> {
        rustix::fs::lsetxattr(self.path(name), key, value, flags)
    }

    /// An extended attribute.
    ///
    /// # Errors
    /// Those of lgetxattr(2).
    pub fn xattr(&self, name: impl AsRef<Path>, key: &str) -> Result<Vec<u8>, Errno> {
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(self.path(name), key, &mut value[..])?;
        value.truncate(length);
        Ok(value)
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// Those of lremovexattr(2).
    pub fn remove_xattr(&self, name: impl AsRef<Path>, key: &str) -> Result<(), Errno> {
        rustix::fs::lremovexattr(self.path(name), key)
    }

    /// The names of extended attributes.
    ///
    /// # Errors
    /// Those of llistxattr(2).
    pub fn xattr_names(&self, name: impl AsRef<Path>) -> Outcome<BTreeSet<String>> {
        let mut list = vec![0; 64 << 10];
        let length = rustix::fs::llistxattr(self.path(name), &mut list[..])?;
        let names = list[..length].split(|b| *b == 0).filter(|n| !n.is_empty());
        Ok(names.map(|n| n.escape_ascii().to_string()).collect())
    }

    /// The names in a directory but `.` and `..`, each as often as it is listed.
    ///
    /// # Errors
    /// Those of open(2) and getdents(2).
    pub fn list(&self, name: impl AsRef<Path>) -> Outcome<Vec<Vec<u8>>> {
        let dir = self.open(name, OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::new(dir)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The names in a directory as text, for comparison with literals.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn names(&self, name: impl AsRef<Path>) -> Outcome<Vec<String>> {
        Ok(self.list(name)?.iter().map(|n| n.escape_ascii().to_string()).collect())
    }
}
