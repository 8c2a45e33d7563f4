//! What storage drivers share: nodes on disk, layer archives, differences,
//! tree copies, whiteouts and mounts.
//!
//! Everything here works by descriptor and beneath a root. Nothing here knows
//! which driver calls it.

pub mod archive;
pub mod at;
pub mod compare;
pub mod copy;
pub mod diff;
pub mod fault;
pub mod idmap;
pub mod mount;
pub mod nodes;
pub mod whiteout;

mod deep;
