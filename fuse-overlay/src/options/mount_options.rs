//! What the mount is to be: where, for whom, with which flags.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the kernel is told about the mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOptions {
    /// Where, as it was given: perhaps relative to the working directory.
    pub mountpoint: PathBuf,
    /// Who may look into the mount; see [`MountOptions::access_for`].
    pub access: Option<Access>,
    /// Nothing can be changed: asked for, or there is no upper directory.
    pub read_only: bool,
    /// The flags of mount(2).
    pub flags: MountFlags,
    /// The first field in /proc/mounts.
    pub fsname: OsString,
    /// Behind `fuse.` in the third field of /proc/mounts.
    pub subtype: OsString,
    /// SELinux's labels, for the kernel. It knows these options only where
    /// SELinux is on.
    pub labels: Vec<Label>,
    /// The largest read that the kernel asks for, in bytes.
    pub max_read: Option<u32>,
    /// Have fusermount3 watch, and unmount if this process dies.
    pub auto_unmount: bool,
}

impl MountOptions {
    /// Who may look into the mount. If it wasn't said: everybody when root
    /// mounts, because containers have many users; else who mounts, because
    /// more needs a line in /etc/fuse.conf.
    #[must_use]
    pub fn access_for(&self, root: bool) -> Access {
        self.access.unwrap_or(if root { Access::All } else { Access::Owner })
    }
}

/// Who may look into the mount. The files' own permissions come after that, and
/// always count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Who has mounted it.
    Owner,
    /// That and root (`allow_root`).
    OwnerAndRoot,
    /// Everybody (`allow_other`).
    All,
}

/// Flags of mount(2), as they are to be in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MountFlags {
    /// Devices work as such.
    pub dev: bool,
    /// Set-user-ID bits and capabilities of files count. Without root
    /// fusermount3 doesn't allow it, whatever is asked for.
    pub suid: bool,
    /// Programs can be run.
    pub exec: bool,
    /// When times of access are kept.
    pub access_time: AccessTime,
    /// Not those of directories.
    pub nodiratime: bool,
    /// Times are written out later.
    pub lazytime: bool,
    /// Every write is a flush.
    pub sync: bool,
    /// Every change of a directory is a flush.
    pub dirsync: bool,
    /// Symbolic links aren't followed.
    pub nosymfollow: bool,
}

impl Default for MountFlags {
    fn default() -> Self {
        Self {
            dev: false,
            suid: true,
            exec: true,
            // A time of access is a write, and in a lower layer a copy of the
            // whole file.
            access_time: AccessTime::Never,
            nodiratime: false,
            lazytime: false,
            sync: false,
            dirsync: false,
            nosymfollow: false,
        }
    }
}

/// When a read changes the time of access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessTime {
    /// `noatime`
    Never,
    /// `relatime`, and `atime`, which leaves it to the kernel's default.
    Relative,
    /// `strictatime`
    Always,
}

/// One of SELinux's options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// `context`, `fscontext`, `defcontext` or `rootcontext`.
    pub option: &'static str,
    /// The label, without quotation marks.
    pub value: OsString,
}
