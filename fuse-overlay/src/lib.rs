//! A union file system in user space.

pub mod options;
pub mod process;

use options::Options;

/// Why there is no mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// The file system isn't there yet.
    #[error("not built yet")]
    NotBuilt,
}

/// Mounts the union, calls `ready` when it is there, and serves it until it is
/// unmounted.
///
/// # Errors
/// Always, at present.
pub fn mount(_options: &Options, _ready: impl FnOnce()) -> Result<(), MountError> {
    Err(MountError::NotBuilt)
}
