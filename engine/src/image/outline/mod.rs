//! Outlines: what is needed to give a layer's archive back byte for byte.
//!
//! A layer is named by the digest of its archive, but the archive isn't kept:
//! its files lie unpacked in the driver. What unpacking loses is how the
//! archive was written: the order of entries, their headers and records, the
//! padding, how many zeros end it. An outline is all of that, with references
//! in place of the files' bytes (what Docker calls tar-split). Together with
//! the layer's tree it is the archive again.
//!
//! * `format`: the parts that an outline consists of, written and read.
//! * `record`: makes the parts of an archive that passes by.
//! * `file`: where outlines lie, and when they are made, kept and removed.
//! * `tree`: the layer's tree, from which the files' bytes are read back.
//! * `reassemble`: both put together, and verified.
//! * `verify`: the whole tree held against its archive, with what is `hollow`
//!   of it, and the `damage` that shows.

mod damage;
pub(crate) mod file;
pub mod format;
mod hollow;
mod reassemble;
pub mod record;
mod tree;
mod verify;

pub(crate) use damage::{Damage, Sort};
pub use reassemble::Reassembled;
pub(crate) use verify::Verdict;
