//! The file system's operations, a family a file. They know nothing of FUSE but
//! its numbering of nodes.
//!
//! The kernel has checked permissions, types and names, and holds its own locks:
//! it never asks for two changes of one directory at a time, nor for a look-up
//! in it meanwhile.

mod attributes;
mod content;
mod link;
mod look_up;
mod make;
mod remove;
mod rename;
mod stream;
mod xattrs;

pub use attributes::{Change, SetTime};
pub(crate) use content::FileKey;
pub use make::{Caller, What};
pub use rename::RenameMode;
pub use stream::Listed;
pub(crate) use stream::Streams;

pub use crate::layer::Kind;
use crate::layer::Stat;
use crate::node::Id;

/// What stat(2) tells of a node.
#[derive(Debug, Clone, Copy)]
pub struct Attributes {
    pub(crate) id: Id,
    pub(crate) stat: Stat,
    pub(crate) links: u32,
}

impl Attributes {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.stat.kind
    }
}
