//! Limits on how much one draft may hold.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::id::DraftId;

/// A limit. At least one of the two must be set for it to mean anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Bytes that the draft's own difference may hold, `None` for no limit.
    /// Drivers round up to their block size and never down.
    pub bytes: Option<u64>,
    /// Files, directories and other inodes, `None` for no limit.
    pub inodes: Option<u64>,
}

/// The power to limit drafts, of drivers that really enforce it.
pub trait QuotaControl: Send + Sync {
    /// Replaces the draft's limit; `Quota::default()` lifts it.
    ///
    /// A limit below what the draft holds already is accepted: nothing is
    /// lost, and the next write fails with EDQUOT or ENOSPC. Durable on return.
    ///
    /// # Errors
    /// `NotFound`; `WrongState` for a view; `Unsupported` where one of the two
    /// limits can't be enforced (the other is then not set either).
    fn set(&self, draft: &DraftId, quota: Quota) -> Result<()>;

    /// The limit in force, as it was rounded. Constant time.
    ///
    /// # Errors
    /// `NotFound`.
    fn get(&self, draft: &DraftId) -> Result<Quota>;
}
