//! What overlayfs writes into its layers, as the kernel's document
//! filesystems/overlayfs and its sources say. Pure: bytes in, meaning out.

mod names;
mod origin;
mod redirect;

pub use names::{Marks, Names};
pub use origin::Origin;
pub use redirect::Redirect;
