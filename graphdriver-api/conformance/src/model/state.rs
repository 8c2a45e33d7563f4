//! What the model knows: its nodes, and what is to be reclaimed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use graphdriver_api::{
    DraftId, Error, ErrorKind, LayerId, MountState, MountTicket, NodeId, NodeInfo, NodeKind,
    NodeRef, Op, Result, Usage,
};

use super::archive::Archive;
use crate::tree::{Bytes, Tree};

/// Everything of one root.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) drafts: BTreeMap<DraftId, Draft>,
    pub(super) layers: BTreeMap<LayerId, Layer>,
    pub(super) trash: Vec<Trash>,
    /// Counts what needs a name that is never used again.
    pub(super) counter: u64,
}

/// A draft or a view.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) kind: NodeKind,
    pub(super) parent: Option<LayerId>,
    pub(super) created: SystemTime,
    pub(super) content: Content,
    pub(super) mount: Mount,
    pub(super) unpacking: Unpacking,
}

/// Where a draft's tree is.
#[derive(Debug)]
pub(super) enum Content {
    /// In memory.
    Memory(Tree),
    /// In a directory, because it was mounted or somebody has a plan to.
    Disk(PathBuf),
    /// Nowhere yet: archives that wait for the layer that they are applied to,
    /// and what they make of an empty tree.
    Deferred(Vec<Archive>, Tree),
}

/// Whether a draft is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mount {
    Unmounted,
    Held,
    /// Held by nobody, though it couldn't be unmounted.
    Abandoned(MountTicket),
    Persisted(MountTicket),
}

/// Whether an archive has been applied in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unpacking {
    No,
    Running,
    Failed,
}

/// A layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) parent: Option<LayerId>,
    pub(super) created: SystemTime,
    pub(super) tree: Tree,
    /// The root that it was borrowed from.
    pub(super) lender: Option<PathBuf>,
}

/// What was removed.
#[derive(Debug)]
pub(super) struct Trash {
    pub(super) dir: Option<PathBuf>,
    pub(super) bytes: u64,
}

impl Draft {
    pub(super) fn is_mounted(&self) -> bool {
        self.mount != Mount::Unmounted
    }
}

impl State {
    /// A number that was never given out before.
    pub(super) fn number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(super) fn draft(&self, op: Op, id: &DraftId) -> Result<&Draft> {
        self.drafts.get(id).ok_or_else(|| refused(ErrorKind::NotFound, op, id, ""))
    }

    pub(super) fn draft_mut(&mut self, op: Op, id: &DraftId) -> Result<&mut Draft> {
        self.drafts.get_mut(id).ok_or_else(|| refused(ErrorKind::NotFound, op, id, ""))
    }

    pub(super) fn layer(&self, op: Op, id: &LayerId) -> Result<&Layer> {
        self.layers.get(id).ok_or_else(|| refused(ErrorKind::NotFound, op, id, ""))
    }

    /// How many layers are in the chain that begins with `layer`.
    pub(super) fn depth(&self, layer: Option<&LayerId>) -> u32 {
        let mut depth = 0;
        let mut next = layer;
        while let Some(layer) = next.and_then(|id| self.layers.get(id)) {
            depth += 1;
            next = layer.parent.as_ref();
        }
        depth
    }

    pub(super) fn has_children(&self, id: &LayerId) -> bool {
        let id = Some(id);
        self.layers.values().any(|layer| layer.parent.as_ref() == id)
            || self.drafts.values().any(|draft| draft.parent.as_ref() == id)
    }

    pub(super) fn info(&self, op: Op, node: NodeRef<'_>) -> Result<NodeInfo> {
        Ok(match node {
            NodeRef::Draft(id) => self.draft_info(id, self.draft(op, id)?),
            NodeRef::Layer(id) => self.layer_info(id, self.layer(op, id)?),
        })
    }

    /// Drafts, then layers, each in the order of ids.
    pub(super) fn infos(&self) -> Vec<NodeInfo> {
        let drafts = self.drafts.iter().map(|(id, draft)| self.draft_info(id, draft));
        let layers = self.layers.iter().map(|(id, layer)| self.layer_info(id, layer));
        drafts.chain(layers).collect()
    }

    fn draft_info(&self, id: &DraftId, draft: &Draft) -> NodeInfo {
        NodeInfo {
            id: NodeId::Draft(id.clone()),
            kind: draft.kind,
            parent: draft.parent.clone(),
            depth: self.depth(draft.parent.as_ref()),
            created: draft.created,
            mount: match &draft.mount {
                Mount::Unmounted => MountState::Unmounted,
                Mount::Held | Mount::Abandoned(_) => MountState::Held,
                Mount::Persisted(ticket) => MountState::Persisted(ticket.clone()),
            },
            unpacking: draft.unpacking != Unpacking::No,
            lender: None,
        }
    }

    fn layer_info(&self, id: &LayerId, layer: &Layer) -> NodeInfo {
        NodeInfo {
            id: NodeId::Layer(id.clone()),
            kind: NodeKind::Layer,
            parent: layer.parent.clone(),
            depth: 1 + self.depth(layer.parent.as_ref()),
            created: layer.created,
            mount: MountState::Unmounted,
            unpacking: false,
            lender: layer.lender.clone(),
        }
    }
}

/// An error about a node.
pub(super) fn refused<'a>(
    kind: ErrorKind,
    op: Op,
    node: impl Into<NodeRef<'a>>,
    why: &'static str,
) -> Error {
    Error::new(kind, op, why).with_node(node)
}

/// What a tree takes: whole pages of data, as a file system in memory would.
pub(super) fn usage(tree: &Tree) -> Usage {
    const PAGE: u64 = 4096;
    let pages = |bytes: &Bytes| -> u64 {
        let mut counted = 0;
        let mut behind = 0;
        for (offset, data) in bytes.runs() {
            let first = (offset / PAGE).max(behind);
            behind = (offset + data.len() as u64).div_ceil(PAGE).max(first);
            counted += behind - first;
        }
        counted
    };
    let bytes = tree.files().filter_map(|node| node.bytes()).map(pages).sum::<u64>() * PAGE;
    let content = tree.files().filter_map(|node| node.bytes()).map(Bytes::len).sum();
    Usage { bytes, inodes: tree.len() as u64, content }
}
