//! Taking away what nothing needs: layers that no image and no container
//! stands on, what loads left that were cut off, and removed trees that are
//! still there.

use std::collections::HashSet;

use graphdriver_api::{NodeId, NodeKind};
use serde::Serialize;

use crate::engine::Engine;
use crate::error::Result;
use crate::image::{DRAFT_PREFIX, clean_up, is_ours};
use crate::store::{Durability, layers};

/// What there is to take away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Garbage {
    /// Nodes that nothing needs.
    pub nodes: Vec<Gone>,
    /// Removed nodes whose files wait to be deleted.
    pub awaiting: u64,
}

/// A node that goes, or has gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Gone {
    /// Layer or draft.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// Bytes that it holds on the medium.
    pub bytes: u64,
}

impl Engine {
    /// What [`gc`](Self::gc) would take away now. Changes nothing.
    ///
    /// Cost: a record a node, and a walk of what would go.
    ///
    /// # Errors
    /// The store's and the driver's.
    pub fn garbage(&self) -> Result<Garbage> {
        let unneeded: HashSet<String> = self.store().read(layers::unneeded)?.into_iter().collect();
        let known: HashSet<String> = self.store().read(layers::all)?;
        let mut nodes = Vec::new();
        for node in self.driver().list()? {
            let (kind, id) = match &node.id {
                NodeId::Layer(id) => ("layer", id.as_str()),
                NodeId::Draft(id) => ("draft", id.as_str()),
            };
            let goes = match node.kind {
                NodeKind::Layer => is_ours(id) && (unneeded.contains(id) || !known.contains(id)),
                NodeKind::Draft | NodeKind::View => id.starts_with(DRAFT_PREFIX),
            };
            if goes {
                let bytes = self.driver().usage(node.id.as_ref())?.bytes;
                nodes.push(Gone { kind, id: id.to_owned(), bytes });
            }
        }
        Ok(Garbage { nodes, awaiting: self.driver().status()?.awaiting_reclaim })
    }

    /// Takes away what nothing needs, and gives its space back. Tells what
    /// went; `None` if another process is making layers, which takes away what
    /// it leaves itself, when it ends.
    ///
    /// # Errors
    /// The store's and the driver's; what could be taken away, was.
    pub fn gc(&self) -> Result<Option<Garbage>> {
        let before = self.garbage()?;
        self.store().write(Durability::Later, |t| layers::begin_work(t, "gc"))?;
        clean_up(self)?;
        self.driver().reclaim()?;
        let after = self.garbage()?;
        let busy = self.store().read(layers::any_work)?;
        if busy {
            self.store().write(Durability::Later, |t| layers::end_work(t, "gc"))?;
            return Ok(None);
        }
        self.store().fold()?;
        let nodes = before.nodes.into_iter().filter(|n| !after.nodes.contains(n)).collect();
        Ok(Some(Garbage { nodes, awaiting: before.awaiting.saturating_sub(after.awaiting) }))
    }
}
