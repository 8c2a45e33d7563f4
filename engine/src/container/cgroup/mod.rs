//! Control groups: how this machine has them, which limits that allows, and
//! how a container's groups end.
//!
//! The runtime makes the groups and writes the limits, but for the devices of
//! version 2 where it is the built-in one. Here is what comes
//! before, because a limit that can't be enforced must be refused before
//! anything is made, and what comes after, because the groups of a container
//! whose engine was killed are nobody else's to remove.

mod check;
mod devices;
mod freeze;
mod hasten;
mod layout;
mod tree;

pub use check::check;
pub use devices::fence_devices;
pub use freeze::{freeze, thaw};
pub use hasten::hasten;
pub use layout::{Hierarchy, Layout};
pub use tree::{kill, members, remove};

use std::path::PathBuf;

/// The group of a container in every hierarchy, from the hierarchy's root.
/// Absolute, because a relative path would mean systemd's scheme to a runtime.
#[must_use]
pub fn path_of(id: &str) -> PathBuf {
    PathBuf::from("/sapwood").join(id)
}
