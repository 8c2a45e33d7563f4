//! What differs between drivers without being a method of its own.
//!
//! The conformance suite asks these instead of asking for a driver's name, and
//! checks each in both directions: a trait that promises too much fails, and
//! one that promises too little fails too.

use std::num::NonZeroU32;

use serde::Serialize;

/// What copy-on-write copies when one byte of a big file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyUnit {
    /// Nothing is shared: the whole tree is copied when a draft is prepared.
    Tree,
    /// The whole file, on the first change.
    File,
    /// The changed blocks.
    Block,
}

/// What a driver, as it was opened here, can and can't do.
///
/// Fixed while the driver is open. The same driver can have other traits on
/// another host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Traits {
    /// The longest chain of layers beneath a draft, that draft not counted;
    /// `None` where only space limits it. A `prepare` or `view` that would
    /// exceed it is [`Unsupported`](crate::ErrorKind::Unsupported), as is the
    /// commit that would.
    pub max_depth: Option<NonZeroU32>,
    /// Layers hold only their own difference, so that a draft may be prepared
    /// with [`Base::Deferred`](crate::Base::Deferred) and take its parent at
    /// commit: an image's layers unpack side by side.
    pub rebase: bool,
    /// `changes` and `diff` name a path only if something about it differs.
    /// Where false, they may also name paths that were touched and are equal
    /// again, but never miss one.
    pub exact_diff: bool,
    /// A directory that came from a layer below can be renamed with rename(2).
    /// Where false, the kernel answers EXDEV and programs fall back to copying.
    pub directory_rename: bool,
    /// The longest path, in bytes and from the root without a slash before it,
    /// that a directory of the layer below may have there to be moved into
    /// another directory; `None` for any. Beyond it the kernel answers EXDEV.
    /// Overlays note that path in an attribute of limited length
    /// (`OVL_REDIRECT_MAX` in fs/overlayfs/overlayfs.h).
    pub longest_moved_path: Option<NonZeroU32>,
    /// Names that were hard links of one file in a layer below still are after
    /// one of them is written to. Where false, the written name becomes a file
    /// of its own.
    pub hard_links_survive_write: bool,
    /// A descriptor that was opened read-only before another writes to the
    /// same file sees what is written. Where false, it may keep the old bytes.
    pub readers_see_writes: bool,
    /// `st_ino` of a file stays what it was when the file is first written to.
    pub inodes_are_stable: bool,
    /// A character device with number 0:0 can be created. Union file systems
    /// can't have one, because to them it is a whiteout.
    pub zero_device: bool,
    /// [`MountRequest::id_map`](crate::MountRequest::id_map) is honoured,
    /// without rewriting ownership on disk.
    pub id_maps: bool,
    /// Works for a user without privileges in a user namespace of their own.
    pub rootless: bool,
    /// What the first change to a file copies.
    pub copy_unit: CopyUnit,
}
