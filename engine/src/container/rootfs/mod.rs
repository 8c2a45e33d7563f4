//! Looking into a container's root directory, and putting things there, by
//! descriptor only: what an image holds can't lead out of it.

mod etc;
mod mounted;
mod tree;
mod user;

pub use etc::{EtcFiles, InitEntry, init_layer_entries};
pub(super) use mounted::{Mounted, leave_mount_namespace};
pub use tree::Tree;
pub use user::ResolvedUser;
