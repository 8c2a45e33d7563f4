//! Why there is no mount.

use std::path::PathBuf;

use rustix::io::Errno;

use crate::union::OpenError;

/// Why there is no mount, or why it has ended.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// An option asks for what isn't there.
    #[error("{option} can't be had: {reason}")]
    Unsupported {
        /// The option.
        option: &'static str,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// The directories can't make a union.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// /dev/fuse can't be used.
    #[error("can't open /dev/fuse: {0}: is FUSE there, and may this user use it?")]
    Device(Errno),
    /// The kernel or fusermount3 doesn't mount it.
    #[error("can't mount on {place}: {reason}", place = .place.display())]
    Refused {
        /// The mount point.
        place: PathBuf,
        /// What was said.
        reason: String,
    },
    /// The connection to the kernel is broken.
    #[error("the kernel's requests can't be read: {0}")]
    Connection(#[from] std::io::Error),
}
