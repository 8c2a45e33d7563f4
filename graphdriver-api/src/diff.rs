//! Differences between a node and its parent: as a list, and as the layer
//! archive of the OCI image specification (image-spec, layer.md).

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::id::NodeRef;

/// How a path differs from the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The parent has nothing there.
    Added,
    /// The parent has something there, and type, content or attributes differ.
    Modified,
    /// The parent has something there that the node hasn't. Nothing beneath a
    /// deleted directory is named.
    Deleted,
}

/// One changed path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Change {
    /// Relative to the node's root, without a leading slash; the root itself
    /// is `.`. Bytes as they are on disk: not necessarily UTF-8.
    pub path: PathBuf,
    /// How it differs.
    pub kind: ChangeKind,
}

/// Takes changes one by one; returns `Break` to stop early, which is not an
/// error.
pub type ChangeSink<'a> = dyn FnMut(Change) -> Result<ControlFlow<()>> + 'a;

/// What a hostile archive may cost at most. Each is refused by name as
/// `BadDiff` when it is passed, before the work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries in one archive.
    pub entries: u64,
    /// Bytes of file content in one archive, holes included.
    pub bytes: u64,
    /// Components of one path.
    pub depth: u32,
    /// Bytes of all extended attributes of one entry, names included.
    pub xattr_bytes: u32,
    /// Bytes of extension records (PAX, GNU long names) of one entry.
    pub extension_bytes: u32,
}

impl Limits {
    /// Limits that limit nothing: for an archive that is known.
    pub const NONE: Self = Self {
        entries: u64::MAX,
        bytes: u64::MAX,
        depth: u32::MAX,
        xattr_bytes: u32::MAX,
        extension_bytes: u32::MAX,
    };
}

impl Default for Limits {
    /// Far above what real images hold, far below what hurts a host: 10
    /// million entries, 1 TiB, 1,024 components, 1 MiB of attributes, 2 MiB of
    /// extension records.
    fn default() -> Self {
        Self {
            entries: 10_000_000,
            bytes: 1 << 40,
            depth: 1024,
            xattr_bytes: 1 << 20,
            extension_bytes: 2 << 20,
        }
    }
}

/// What an applied archive held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Entries, whiteouts included.
    pub entries: u64,
    /// Bytes of file content, holes included.
    pub bytes: u64,
    /// Whiteouts and opaque markers.
    pub whiteouts: u64,
    /// How often the archive undid what it had done: something that it had
    /// brought was replaced by a later entry, or the way through a symbolic
    /// link by which an entry was reached may lead elsewhere now.
    ///
    /// 0 is a promise: when the archive has been applied, the bytes of each
    /// regular file in it are found at its path. Above 0, only those of some
    /// of them may be; how much above 0 depends on the driver.
    pub replaced: u64,
}

/// What a written diff holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DiffSummary {
    /// Entries, whiteouts included.
    pub entries: u64,
    /// Bytes of the archive.
    pub bytes: u64,
}

/// The power to tell a node's difference from what is on disk, at a cost that
/// grows with the difference instead of with the tree.
///
/// [`GraphDriver::diff`](crate::GraphDriver::diff) and `changes` use it where
/// it is there; the suite compares both answers with a walk of the two trees.
pub trait NativeDiff: Send + Sync {
    /// As [`GraphDriver::changes`](crate::GraphDriver::changes).
    ///
    /// # Errors
    /// As there; and `Unsupported`, before the first change, for a node whose
    /// difference can't be told this way.
    fn changes(&self, node: NodeRef<'_>, sink: &mut ChangeSink<'_>) -> Result<()>;

    /// As [`GraphDriver::diff`](crate::GraphDriver::diff).
    ///
    /// # Errors
    /// As there; and `Unsupported`, before the first byte, for a node whose
    /// difference can't be told this way.
    fn diff(&self, node: NodeRef<'_>, tar: &mut dyn Write) -> Result<DiffSummary>;
}

/// A source of layer archives, named so that signatures stay short.
pub type TarSource<'a> = dyn Read + 'a;

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn path_order_is_the_order_of_a_depth_first_walk() {
        let mut paths = ["a-b", "a/z", "b", ".", "a", "a/b/c"].map(Path::new);
        paths.sort();
        assert_eq!(paths, [".", "a", "a/b/c", "a/z", "a-b", "b"].map(Path::new));
    }
}
