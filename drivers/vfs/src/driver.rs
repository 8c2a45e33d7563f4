//! The contract's methods. What nodes have in common with those of other drivers
//! is the store's; each method here says what copying adds.

use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;

use graphdriver_api::{
    Applied, Base, Borrow, ChangeSink, DiffSummary, DraftId, DraftSpec, Error, ErrorKind,
    GraphDriver, LayerId, Limits, MountGuard, MountPlan, MountRequest, MountTicket, NodeInfo,
    NodeRef, Op, Reclaimed, Result, Status, TarSource, Traits, Usage,
};
use sapwood_kit::archive::{self, Form};
use sapwood_kit::diff;
use sapwood_kit::idmap::IdMaps;
use sapwood_kit::nodes::{Kind, NodeStore, usage_of};

use crate::difference::Difference;
use crate::probe::Probe;
use crate::tree::TREE;
use crate::{NAME, facts, in_use, mount, tree};

/// vfs, opened on a root.
#[derive(Debug)]
pub(crate) struct Vfs {
    pub(crate) store: Arc<NodeStore>,
    probe: Probe,
    traits: Traits,
    ids: IdMaps,
}

impl Vfs {
    pub(crate) fn new(store: NodeStore, probe: Probe) -> Self {
        let traits = facts::traits(&probe);
        Self { store: Arc::new(store), probe, traits, ids: IdMaps::default() }
    }
}

/// Names the driver and the node in an error of the kit, which knows neither.
pub(crate) fn named<'a>(node: impl Into<NodeRef<'a>>) -> impl FnOnce(Error) -> Error {
    move |e| e.with_driver(NAME).with_node(node)
}

fn refuse(op: Op, draft: &DraftId, why: &'static str) -> Error {
    named(draft)(Error::new(ErrorKind::Unsupported, op, why))
}

impl GraphDriver for Vfs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn traits(&self) -> &Traits {
        &self.traits
    }

    fn status(&self) -> Result<Status> {
        Ok(Status {
            facts: facts::facts(&self.probe),
            recovered: self.store.recovered(),
            awaiting_reclaim: self.store.awaiting_reclaim()?,
        })
    }

    fn prepare(&self, draft: &DraftId, base: Base<'_>, spec: &DraftSpec) -> Result<()> {
        if spec.quota.is_some() {
            return Err(refuse(Op::Prepare, draft, "vfs can't limit a draft"));
        }
        if base == Base::Deferred {
            let why = "vfs needs the base when a draft is made, to copy it";
            return Err(refuse(Op::Prepare, draft, why));
        }
        let making =
            self.store.begin(Op::Prepare, draft, base, Kind::Draft)?.volatile(spec.volatile);
        let private = tree::make(Op::Prepare, &making).map_err(named(draft))?;
        making.publish(&private)
    }

    fn view(&self, draft: &DraftId, layer: &LayerId) -> Result<()> {
        let making = self.store.begin(Op::View, draft, Base::Layer(layer), Kind::View)?;
        making.publish(&tree::Private::default())
    }

    fn commit(&self, draft: &DraftId, layer: &LayerId, onto: Option<&LayerId>) -> Result<()> {
        self.store.commit(draft, layer, onto, |node| {
            in_use::refuse(Op::Commit, &self.store, node)?;
            Ok(node.record().private.clone())
        })
    }

    fn remove(&self, node: NodeRef<'_>) -> Result<()> {
        self.store.remove(node)
    }

    fn reclaim(&self) -> Result<Reclaimed> {
        self.store.reclaim()
    }

    fn stat(&self, node: NodeRef<'_>) -> Result<NodeInfo> {
        self.store.stat(node)
    }

    fn list(&self) -> Result<Vec<NodeInfo>> {
        self.store.list()
    }

    fn usage(&self, node: NodeRef<'_>) -> Result<Usage> {
        let reading = self.store.read(Op::Usage, node)?;
        if !reading.node().record().has_tree() {
            return Ok(Usage::default());
        }
        let tree = reading.node().open_dir(NAME, Op::Usage, TREE)?;
        let counted = usage_of(tree.as_fd());
        counted.map_err(|e| named(node)(Error::io(Op::Usage, "count the node's files", e)))
    }

    fn mount_plan(&self, draft: &DraftId, request: &MountRequest) -> Result<MountPlan> {
        mount::plan(&self.store, draft, request)
    }

    fn mount(&self, draft: &DraftId, request: &MountRequest) -> Result<MountGuard> {
        let ids = self.traits.id_maps.then_some(&self.ids);
        mount::mount(&self.store, ids, draft, request)
    }

    fn adopt(&self, ticket: &MountTicket) -> Result<MountGuard> {
        self.store.adopt(ticket)
    }

    fn apply(&self, draft: &DraftId, tar: &mut TarSource<'_>, limits: &Limits) -> Result<Applied> {
        self.store.unpack(draft, |node| {
            let tree = node.open_dir(NAME, Op::Apply, TREE)?;
            let outcome = archive::apply(tree, tar, Form::Merged, limits);
            outcome.map(|outcome| outcome.applied).map_err(named(draft))
        })
    }

    fn changes(&self, node: NodeRef<'_>, sink: &mut ChangeSink<'_>) -> Result<()> {
        match Difference::of(&self.store, Op::Changes, node)? {
            Some(difference) => difference.tell(|trees| diff::changes(Op::Changes, trees, sink)),
            None => Ok(()),
        }
    }

    fn borrowing(&self) -> Option<&dyn Borrow> {
        Some(self)
    }

    fn diff(&self, node: NodeRef<'_>, tar: &mut dyn Write) -> Result<DiffSummary> {
        match Difference::of(&self.store, Op::Diff, node)? {
            Some(difference) => difference.tell(|trees| archive::write(Op::Diff, trees, tar)),
            None => archive::Writer::new(Op::Diff, tar).finish().map_err(named(node)),
        }
    }
}
