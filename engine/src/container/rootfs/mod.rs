//! Looking into a container's root directory, and putting things there, by
//! descriptor only: what an image holds can't lead out of it.

mod etc;
mod tree;
mod user;

pub use etc::{EtcFiles, init_layer_entries};
pub use tree::Tree;
pub use user::ResolvedUser;
