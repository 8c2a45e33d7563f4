//! Every node's record and links, as far as they can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use graphdriver_api::{DraftId, LayerId, MountState, NodeId, NodeInfo, NodeKind, NodeRef};

use super::super::boot::{self, Lasts};
use super::super::disk;
use super::super::record::{self, Kind, Record, linked_node};
use super::look::Look;

/// How a record was found.
#[derive(Debug)]
pub(super) enum Read {
    Whole(Record),
    Missing,
    /// What is wrong with it.
    Damaged(String),
}

/// One directory among the nodes.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Read,
    /// It is a draft for one boot, and that has ended, or has lost its record.
    pub(super) is_over: bool,
    /// Its names.
    pub(super) names: BTreeSet<OsString>,
    /// Who is linked as a child, and names that are no links.
    pub(super) children: BTreeSet<NodeId>,
    pub(super) strange_links: Vec<OsString>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) nodes: BTreeMap<NodeId, Entry>,
    /// What lies among the nodes and can't be one: directory and name.
    pub(super) strays: Vec<(&'static str, OsString)>,
    /// Who is linked in which layers.
    pub(super) linkers: BTreeMap<NodeId, Vec<LayerId>>,
}

impl Known {
    pub(super) fn read(look: &Look<'_>) -> io::Result<Self> {
        let mut known = Self::default();
        known.shelf(look, "drafts", |id| DraftId::new(id).ok().map(NodeId::Draft))?;
        known.shelf(look, "layers", |id| LayerId::new(id).ok().map(NodeId::Layer))?;
        let links = known.nodes.iter().filter_map(|(id, entry)| match id {
            NodeId::Layer(layer) => Some((layer, &entry.children)),
            NodeId::Draft(_) => None,
        });
        for (layer, children) in links {
            for child in children {
                known.linkers.entry(child.clone()).or_default().push(layer.clone());
            }
        }
        Ok(known)
    }

    fn shelf(
        &mut self,
        look: &Look<'_>,
        shelf: &'static str,
        id: impl Fn(&str) -> Option<NodeId>,
    ) -> io::Result<()> {
        let Some(dir) = look.shelf(shelf)? else { return Ok(()) };
        for name in disk::names(&dir)? {
            let node = name.to_str().and_then(&id);
            match (node, open_entry(&dir, &name)?) {
                (Some(node), Some(opened)) => {
                    let entry = Entry::read(node.as_ref(), &opened)?;
                    self.nodes.insert(node, entry);
                }
                _ => self.strays.push((shelf, name)),
            }
        }
        Ok(())
    }

    /// The record of a layer, if it can be read.
    pub(super) fn layer(&self, id: &LayerId) -> Option<&Record> {
        match &self.nodes.get(&NodeId::Layer(id.clone()))?.record {
            Read::Whole(record) => Some(record),
            Read::Missing | Read::Damaged(_) => None,
        }
    }

    pub(super) fn has_layer(&self, id: &LayerId) -> bool {
        self.nodes.contains_key(&NodeId::Layer(id.clone()))
    }

    /// The only layer in which a node is linked as a child.
    pub(super) fn only_linker(&self, node: &NodeId) -> Option<&LayerId> {
        match self.linkers.get(node)?.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The nodes with a record that counts.
    pub(super) fn readable(&self) -> impl Iterator<Item = (&NodeId, &Record)> {
        self.nodes.iter().filter_map(|(id, entry)| match &entry.record {
            Read::Whole(record) if !entry.is_over => Some((id, record)),
            _ => None,
        })
    }
}

impl Entry {
    fn read(node: NodeRef<'_>, dir: &OwnedFd) -> io::Result<Self> {
        let names: BTreeSet<_> = disk::names(dir)?.into_iter().collect();
        let (children, strange_links) = links(dir)?;
        let record = read_record(dir, node)?;
        let is_over = match node {
            NodeRef::Layer(_) => false,
            NodeRef::Draft(_) => match boot::lasts(dir)? {
                Lasts::Always => false,
                Lasts::ThisBoot => matches!(record, Read::Damaged(_)),
                Lasts::NoMore => boot::is_over(dir)?,
            },
        };
        Ok(Self { record, is_over, names, children, strange_links })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(OsStr::new(name))
    }

    /// The kind; of a node without a readable record, what its id says.
    pub(super) fn kind(&self, node: &NodeId) -> Kind {
        match (&self.record, node) {
            (Read::Whole(record), _) => record.kind,
            (_, NodeId::Layer(_)) => Kind::Layer,
            (_, NodeId::Draft(_)) => Kind::Draft,
        }
    }
}

/// What a record alone tells of a node.
pub(super) fn bare_info(id: &NodeId, record: &Record) -> NodeInfo {
    NodeInfo {
        id: id.clone(),
        kind: NodeKind::from(record.kind),
        parent: record.parent.clone(),
        depth: record.depth,
        created: record.created,
        mount: MountState::Unmounted,
        unpacking: false,
        lender: record.lender.clone(),
    }
}

/// The directory of that name, if it is one.
fn open_entry(shelf: &OwnedFd, name: &OsStr) -> io::Result<Option<OwnedFd>> {
    match crate::at::open_dir(shelf, name).map_err(io::Error::from) {
        Err(e) if super::look::is_no_dir(&e) => Ok(None),
        opened => opened.map(Some),
    }
}

/// Reads and checks the record of `node` in its directory.
pub(super) fn read_record(dir: impl AsFd, node: NodeRef<'_>) -> io::Result<Read> {
    let Some(file) = disk::find_file(dir, record::file_name(node))? else {
        return Ok(Read::Missing);
    };
    Ok(match Record::parse(node, &disk::read_all(&file)?) {
        Ok(record) => Read::Whole(record),
        Err(why) => Read::Damaged(why),
    })
}

fn links(dir: &OwnedFd) -> io::Result<(BTreeSet<NodeId>, Vec<OsString>)> {
    let mut found = (BTreeSet::new(), Vec::new());
    let Some(children) = open_entry(dir, OsStr::new("children"))? else { return Ok(found) };
    for name in disk::names(children)? {
        match linked_node(&name) {
            Some(node) => drop(found.0.insert(node)),
            None => found.1.push(name),
        }
    }
    Ok(found)
}
