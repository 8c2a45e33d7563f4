//! Where a layer's archive comes from. Whoever unpacks it needs to know only
//! this much.

use std::fmt;
use std::io::Read;

use super::member::Member;

/// The bytes of one layer's archive, which can be read any number of times,
/// also side by side.
pub(crate) trait Content: fmt::Debug + Send + Sync {
    /// How many there are; 0 if that isn't known. Only for showing how far the
    /// work has come.
    fn len(&self) -> u64;

    /// A reader of its own, at the beginning. One that can't have the bytes
    /// says so when it is read.
    fn reader(&self) -> Box<dyn Read + Send>;
}

impl Content for Member {
    fn len(&self) -> u64 {
        Self::len(self)
    }

    fn reader(&self) -> Box<dyn Read + Send> {
        Box::new(Self::reader(self))
    }
}
