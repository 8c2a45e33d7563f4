//! Files by descriptor: the small set of calls from which everything else in
//! this crate is made.
//!
//! The rule that makes the rest safe: a name that is given to the kernel is a
//! *single component*, relative to a descriptor, and isn't followed if it is a
//! symbolic link. So no content of a layer, whatever its links say and whoever
//! writes to it meanwhile, can lead out of the tree. The two exceptions take
//! whole paths and have the kernel enforce the same ([`open_beneath`],
//! [`open_in_root`]).
//!
//! Errors are plain [`Errno`]s, to be matched on; [`Context`] turns them into
//! the contract's error with the operation and the path, which the caller
//! knows and these calls don't.
//!
//! [`Errno`]: rustix::io::Errno

mod descent;
mod error;
mod list;
mod make;
mod meta;
mod open;
mod remove;
pub mod xattr;

pub use descent::Descent;
pub use error::Context;
pub use list::{Name, Names};
pub use make::{chmod, chown, chown_at, mknod, set_times, set_times_at};
pub use meta::{Device, FileId, Kind, Meta, Time};
pub use open::{
    Handle, create_file, open_beneath, open_dir, open_file, open_in_root, read_link, reopen,
};
pub use remove::{Removed, remove_contents, remove_tree};
