//! What a check knows when it compares.

use std::collections::{BTreeMap, BTreeSet};

use graphdriver_api::{NodeId, NodeInfo};

use super::super::snapshot::Snapshot;
use super::super::{Subject, SubjectKind};
use crate::image::{Name, Repository, is_ours};

/// Nodes, rows, and what things are called.
pub(super) struct World {
    pub(super) nodes: BTreeMap<NodeId, NodeInfo>,
    /// Nodes that the driver finds something wrong with.
    suspect: BTreeSet<NodeId>,
    /// `None` if there is no database that can be read.
    pub(super) rows: Option<Snapshot>,
    /// Nobody makes or removes layers now.
    pub(super) alone: bool,
    /// The images that have a layer, by chain ID.
    of_layer: BTreeMap<String, String>,
    of_image: BTreeMap<String, String>,
    of_container: BTreeMap<String, String>,
}

impl World {
    pub(super) fn new(
        nodes: Vec<NodeInfo>,
        suspect: BTreeSet<NodeId>,
        rows: Option<Snapshot>,
        alone: bool,
    ) -> Self {
        let nodes = nodes.into_iter().map(|info| (info.id.clone(), info)).collect();
        let mut world = Self {
            nodes,
            suspect,
            rows: None,
            alone,
            of_layer: BTreeMap::new(),
            of_image: BTreeMap::new(),
            of_container: BTreeMap::new(),
        };
        if let Some(rows) = &rows {
            world.name(rows);
        }
        world.rows = rows;
        world
    }

    fn name(&mut self, rows: &Snapshot) {
        for (repository, tag, image) in &rows.tags {
            let name =
                Name { repository: Repository::from_store(repository.clone()), tag: tag.clone() };
            self.of_image.entry(image.clone()).or_insert_with(|| name.to_string());
        }
        for (id, image) in &rows.images {
            let called = self.of_image.get(id).cloned().unwrap_or_else(|| short(id));
            let mut next = image.top.clone();
            while let Some(chain) = next.take() {
                if self.of_layer.contains_key(&chain) {
                    break;
                }
                next = rows.layers.get(&chain).and_then(|l| l.parent.clone());
                self.of_layer.insert(chain, called.clone());
            }
        }
        let containers = rows.containers.iter().map(|(id, row)| (id.clone(), row.name.clone()));
        self.of_container = containers.collect();
    }

    pub(super) fn layer(&self, chain: &str) -> Subject {
        let name = self.of_layer.get(chain).cloned();
        Subject { kind: SubjectKind::Layer, id: chain.to_owned(), name }
    }

    pub(super) fn image(&self, id: &str) -> Subject {
        let name = self.of_image.get(id).cloned();
        Subject { kind: SubjectKind::Image, id: id.to_owned(), name }
    }

    pub(super) fn container(&self, id: &str) -> Subject {
        let name = self.of_container.get(id).cloned();
        Subject { kind: SubjectKind::Container, id: id.to_owned(), name }
    }

    pub(super) fn draft(&self, id: &str) -> Subject {
        match self.of_container.contains_key(id) || is_container_id(id) {
            true => self.container(id),
            false => Subject { kind: SubjectKind::Draft, id: id.to_owned(), name: None },
        }
    }

    /// A layer as the driver has it.
    pub(super) fn layer_node(&self, chain: &str) -> Option<&NodeInfo> {
        let id = graphdriver_api::LayerId::new(chain).ok()?;
        self.nodes.get(&NodeId::Layer(id))
    }

    /// Whether the driver tells itself what is wrong with a layer.
    pub(super) fn is_suspect_layer(&self, chain: &str) -> bool {
        graphdriver_api::LayerId::new(chain)
            .is_ok_and(|id| self.suspect.contains(&NodeId::Layer(id)))
    }

    /// The same for a draft.
    pub(super) fn is_suspect_draft(&self, id: &str) -> bool {
        graphdriver_api::DraftId::new(id).is_ok_and(|id| self.suspect.contains(&NodeId::Draft(id)))
    }

    /// Layers of the driver that are the images' or stand between them and
    /// their containers.
    pub(super) fn our_layers(&self) -> impl Iterator<Item = &NodeInfo> {
        self.nodes.values().filter(|info| match &info.id {
            NodeId::Layer(id) => is_ours(id.as_str()),
            NodeId::Draft(_) => false,
        })
    }

    pub(super) fn has_ours(&self) -> bool {
        self.our_layers().next().is_some()
    }
}

/// Whether a draft is called as containers are.
pub(super) fn is_container_id(id: &str) -> bool {
    id.len() == 64 && crate::image::is_hex(id)
}

fn short(id: &str) -> String {
    let hex = id.split_once(':').map_or(id, |(_, hex)| hex);
    hex.chars().take(12).collect()
}
