//! Mounts by descriptor.
//!
//! A mount is built detached: it belongs to no directory and to no mount
//! namespace, nobody else can reach it, and it ends with its last descriptor,
//! however its process ends. Work on a tree that needs a mount but nobody to
//! see it (unpacking, comparing) needs no more. Only a mount that others shall
//! see is [attached](Detached::attach), with one call, when it is complete.
//!
//! | Type | For |
//! |---|---|
//! | [`Detached`] | a mount without a place: copies of directories, the result of [`Overlay::mount`] |
//! | [`Overlay`] | an overlay of directories, in each of the ways that kernels know ([`Way`]) |
//! | [`MountId`] | telling one mount from another at the same place |
//! | [`MountError`] | what failed, with what the kernel said about it |

mod attached;
mod classic;
mod configured;
mod detached;
mod error;
mod id;
mod overlay;
mod private;
#[cfg(test)]
mod tests;

pub use attached::{is_mounted, mounted_root, unmount};
pub use detached::Detached;
pub use error::MountError;
pub use id::MountId;
pub use overlay::{Lower, Overlay, Place, Upper, Way};
pub use private::in_private_namespace;
