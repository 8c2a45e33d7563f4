//! Judges of a union file system: they see a mounted tree and the layers under
//! it, nothing of the program that serves it.
//!
//! A [`Subject`] is kernel overlayfs, Debian's fuse-overlayfs, or the binary
//! `fuse-overlay` of this workspace. A [`Bench`] holds the layers of one union,
//! mounts it through a subject, and proves at the end that the daemon is gone
//! and that no lower layer was written ([`Snapshot`]).
//!
//! Every judge is shown to be right by the kernel's passing it; what a subject
//! does otherwise stands in `differences.toml`, with its reason ([`Differences`]).
//!
//! Needs root, and works in a private mount namespace: see
//! `sapwood_kit::mount::in_private_namespace`.

mod acl;
mod bench;
mod daemon;
mod differences;
mod failure;
pub mod history;
mod snapshot;
mod subject;
mod tree;
mod user;

pub use crate::acl::{Acl, capability};
pub use crate::bench::{Bench, OPTIONS_ENV};
pub use crate::differences::{Differences, Verdict};
pub use crate::failure::{Failure, Outcome, equal, fails_with, holds};
pub use crate::snapshot::{Entry, Snapshot};
pub use crate::subject::{BINARY_ENV, Kind, Layers, Mounted, SUBJECTS_ENV, Subject};
pub use crate::tree::Tree;
pub use crate::user::{NOBODY, as_user, with_umask};
