//! Layers whose trees lie in another root.

use std::path::Path;

use crate::error::Result;
use crate::id::LayerId;

/// The power to have layers without having their files: of drivers that can use
/// a tree where it lies, in the root of the same driver elsewhere.
///
/// That other root, the *lender*, is somebody else's. It may be on a read-only
/// medium, other stores may be open on it, and nothing in it is ever changed or
/// locked. Whoever fills it must not remove what others have borrowed.
pub trait Borrow: Send + Sync {
    /// Makes a layer of what `lender`, a root's absolute path, has under the same
    /// id.
    ///
    /// * Before: `layer` is not in use here; the lender has it, and what it stands
    ///   on there is a layer here, whether borrowed or not.
    /// * After: the layer is like any other, with the lender's tree and parent.
    ///   [`stat`](crate::GraphDriver::stat) tells the lender, `usage` tells that it
    ///   holds nothing, and `remove` takes away what is here.
    /// * If the lender goes away, or the layer in it, `stat`, `list` and `remove`
    ///   work as before; what needs the tree says where it should lie:
    ///   `Prerequisite` if the lender can't be reached, `Corrupt` if it is there and
    ///   the layer isn't.
    /// * Durability: the layer survives, if the lender does.
    /// * Cost: a record.
    ///
    /// # Errors
    /// `AlreadyExists`; `NotFound` (the lender doesn't have it; its parent isn't a
    /// layer here); `Prerequisite` (the lender isn't there, or somebody other than
    /// root and the caller could write to it); `Corrupt` (it isn't a root of this
    /// driver, or of a newer format); `InvalidArgument` (a relative path; this root
    /// itself, or one within the other); `Unsupported` (the lender has it only
    /// borrowed; its layers can't be used from where they lie; the chain would pass
    /// `max_depth`).
    fn borrow(&self, layer: &LayerId, lender: &Path) -> Result<()>;
}
