//! What the file system itself is to do.

use std::time::Duration;

use super::IdMap;

/// What the file system needs to know, whatever is around it.
///
/// Where a field is an `Option`, `None` means that nobody asked: what is best
/// for the layers at hand is chosen when they are known.
#[derive(Debug, Clone, PartialEq)]
pub struct UnionOptions {
    /// Users of the layers, and as whom they are shown.
    pub uid_map: IdMap,
    /// Groups of the layers, and as which they are shown.
    pub gid_map: IdMap,
    /// Shows all files as one owner's.
    pub squash: Squash,
    /// For how long the kernel may answer from what it was told of names and
    /// attributes.
    pub timeout: Duration,
    /// What a flush does.
    pub sync: Durability,
    /// Whether the kernel gathers writes before it sends them.
    pub writeback: bool,
    /// Whether extended attributes can be seen and set.
    pub xattrs: bool,
    /// Whether access lists are seen and obeyed.
    pub acl: bool,
    /// Where owners, modes and types are kept that the upper directory's own
    /// files can't have.
    pub xattr_permissions: XattrPermissions,
    /// What becomes of a merged directory that is renamed.
    pub redirect_dir: Option<RedirectDir>,
    /// Whether a change of attributes alone leaves the content where it is.
    pub metacopy: Option<bool>,
    /// Whether the names of a file stay one file when it is copied up.
    pub index: Option<bool>,
    /// Where inode numbers come from.
    pub xino: Xino,
    /// Shows every directory with one link, and counts none.
    pub static_nlink: bool,
    /// Keeps the format's attributes as `user.overlay.*`, not `trusted.overlay.*`.
    pub userxattr: bool,
    /// Whether a file is copied up when it is opened for writing, not when it is
    /// written to.
    pub copy_up_on_open: bool,
    /// How many threads answer; as many as are useful if not said. Never 0.
    pub threads: Option<usize>,
}

impl Default for UnionOptions {
    fn default() -> Self {
        Self {
            uid_map: IdMap::default(),
            gid_map: IdMap::default(),
            squash: Squash::default(),
            // For ever, in practice: nothing but this file system changes the
            // layers while they are mounted.
            timeout: Duration::from_secs(1_000_000_000),
            sync: Durability::Fsync,
            writeback: true,
            xattrs: true,
            acl: true,
            xattr_permissions: XattrPermissions::Off,
            redirect_dir: None,
            metacopy: None,
            index: None,
            xino: Xino::Auto,
            static_nlink: false,
            userxattr: false,
            copy_up_on_open: false,
            threads: None,
        }
    }
}

/// The owner that all files are shown with, in place of their own. Goes before
/// the maps, which still decide what is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Squash {
    /// This user.
    pub uid: Option<u32>,
    /// This group.
    pub gid: Option<u32>,
}

/// What flushing means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// What was flushed is on the disk, and a file is never copied up in part.
    Fsync,
    /// Flushes are answered and not done (`fsync=0`).
    NoFsync,
    /// The same, and the work directory is marked as overlayfs marks it, so that
    /// an upper that a crash may have torn isn't mounted again (`volatile`).
    Volatile,
}

/// Where owner, mode and type of a file are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XattrPermissions {
    /// In the file's own inode.
    Off,
    /// In `security.fuseoverlayfs.override_stat`, for who has privileges.
    Privileged,
    /// In `user.containers.override_stat`, for who has none.
    Containers,
}

/// What becomes of a directory of a lower layer that is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectDir {
    /// A redirect says where it was; redirects that are there are followed.
    On,
    /// None is made, and none is followed unless one that is there must be: as
    /// the kernel's `off`, which may mean either of the next two.
    Off,
    /// None is made; those that are there are followed.
    Follow,
    /// None is made, none is followed.
    NoFollow,
}

/// Where inode numbers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Xino {
    /// Numbers that stay over remounts where the layers allow it.
    Auto,
    /// The same, or the mount fails.
    On,
    /// The layers' own if they are on one file system, else numbers that hold
    /// for one mount.
    Off,
}
