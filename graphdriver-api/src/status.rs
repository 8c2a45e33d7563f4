//! What a driver tells people about itself and its host.

use std::borrow::Cow;

use serde::Serialize;

/// One thing that was found out, and why it is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// Short and stable, in the words of the driver's documentation
    /// ("metacopy", "backing file system"). Programs may rely on it.
    pub name: Cow<'static, str>,
    /// What was found ("on", "off", "ext4", "500").
    pub value: Cow<'static, str>,
    /// How it was found out or who decided it ("the kernel refused …",
    /// "asked for by …"); empty where the value says it all.
    pub reason: Cow<'static, str>,
}

impl Fact {
    /// A fact with its reason.
    #[must_use]
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { name: name.into(), value: value.into(), reason: reason.into() }
    }
}

/// What opening a driver found and mended, and what it can do here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// In the order in which they should be shown.
    pub facts: Vec<Fact>,
    /// What recovery had to do when the driver was opened.
    pub recovered: Recovered,
    /// Removed nodes whose space [`reclaim`](crate::GraphDriver::reclaim) has
    /// yet to give back.
    pub awaiting_reclaim: u64,
}

/// What `open` found left over by a crash, and put right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// Nodes that were being made or removed; they're gone now.
    pub half_made: u64,
    /// Drafts that were only for an earlier boot; they're gone now.
    pub ended: u64,
    /// Mounts whose holder is dead; they're unmounted now.
    pub mounts: u64,
}

/// What one call of [`reclaim`](crate::GraphDriver::reclaim) did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reclaimed {
    /// Removed nodes that are now wholly deleted.
    pub nodes: u64,
    /// Bytes of allocated space given back, as far as the driver knows.
    pub bytes: u64,
}

/// The space a node holds by itself: what removing it would give back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Allocated bytes (512 × `st_blocks`), not apparent length.
    pub bytes: u64,
    /// Inodes, a hard-linked file counted once.
    pub inodes: u64,
    /// Lengths of regular files, a hard-linked one counted once. Unlike
    /// `bytes` it doesn't depend on how the medium allocates.
    pub content: u64,
}
