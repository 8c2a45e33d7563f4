//! The model behind the contract's trait: each call to where it is done.

use std::io::Write;
use std::num::NonZeroU32;
use std::sync::Arc;

use graphdriver_api::{
    Applied, Base, Borrow, ChangeSink, CopyUnit, DiffSummary, DraftId, DraftSpec, ErrorKind, Fact,
    GraphDriver, LayerId, Limits, MountGuard, MountPlan, MountRequest, MountState, MountTicket,
    NodeInfo, NodeRef, Op, Reclaimed, Recovered, Result, Status, TarSource, Traits, Usage,
};

use super::fault::Fault;
use super::place::Place;
use super::{MAX_DEPTH, NAME};

/// An open model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) place: Arc<Place>,
    fault: Option<Fault>,
    traits: Traits,
    recovered: Recovered,
}

impl Model {
    pub(super) fn new(place: Arc<Place>, fault: Option<Fault>, mounts: u64) -> Self {
        let traits = Traits {
            max_depth: NonZeroU32::new(MAX_DEPTH),
            rebase: true,
            exact_diff: true,
            directory_rename: true,
            longest_moved_path: None,
            hard_links_survive_write: true,
            readers_see_writes: true,
            inodes_are_stable: true,
            zero_device: true,
            id_maps: false,
            rootless: false,
            copy_unit: CopyUnit::Tree,
        };
        Self { place, fault, traits, recovered: Recovered { mounts, ..Recovered::default() } }
    }

    /// Whether it makes that mistake.
    pub(super) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// What every error about a node says.
    pub(super) fn told<'a, T>(&self, node: impl Into<NodeRef<'a>>, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            let busy = error.kind() == ErrorKind::Busy && self.has(Fault::BusyAsIo);
            let error = error.with_driver(NAME).with_node(node);
            if busy { error.with_kind(ErrorKind::Io) } else { error }
        })
    }
}

impl GraphDriver for Model {
    fn name(&self) -> &'static str {
        NAME
    }

    fn traits(&self) -> &Traits {
        &self.traits
    }

    fn status(&self) -> Result<Status> {
        let facts = vec![Fact::new("backing", "memory", "it is a model")];
        let awaiting_reclaim = self.place.lock().trash.len() as u64;
        Ok(Status { facts, recovered: self.recovered, awaiting_reclaim })
    }

    fn prepare(&self, draft: &DraftId, base: Base<'_>, spec: &DraftSpec) -> Result<()> {
        self.told(draft, self.do_prepare(draft, base, spec))
    }

    fn view(&self, draft: &DraftId, layer: &LayerId) -> Result<()> {
        self.told(draft, self.do_view(draft, layer))
    }

    fn commit(&self, draft: &DraftId, layer: &LayerId, onto: Option<&LayerId>) -> Result<()> {
        self.told(draft, self.do_commit(draft, layer, onto))
    }

    fn remove(&self, node: NodeRef<'_>) -> Result<()> {
        self.told(node, self.do_remove(node))
    }

    fn reclaim(&self) -> Result<Reclaimed> {
        self.do_reclaim().map_err(|error| error.with_driver(NAME))
    }

    fn stat(&self, node: NodeRef<'_>) -> Result<NodeInfo> {
        if let Err(error) = self.place.check(Op::Stat) {
            let absent = self.has(Fault::StatReadsErrorAsAbsence);
            let kind = if absent { ErrorKind::NotFound } else { error.kind() };
            return self.told(node, Err(error.with_kind(kind)));
        }
        let mut info = self.told(node, self.place.lock().info(Op::Stat, node))?;
        if self.has(Fault::StatForgetsMounts) {
            info.mount = MountState::Unmounted;
        }
        Ok(info)
    }

    fn list(&self) -> Result<Vec<NodeInfo>> {
        self.place.check(Op::List).map_err(|error| error.with_driver(NAME))?;
        let mut infos = self.place.lock().infos();
        if self.has(Fault::ListUnsorted) {
            infos.sort_by_key(|info| std::cmp::Reverse(info.created));
        }
        Ok(infos)
    }

    fn usage(&self, node: NodeRef<'_>) -> Result<Usage> {
        self.told(node, self.do_usage(node))
    }

    fn mount_plan(&self, draft: &DraftId, request: &MountRequest) -> Result<MountPlan> {
        self.told(draft, self.do_plan(draft, request))
    }

    fn mount(&self, draft: &DraftId, request: &MountRequest) -> Result<MountGuard> {
        self.told(draft, self.do_mount(draft, request))
    }

    fn adopt(&self, ticket: &MountTicket) -> Result<MountGuard> {
        self.told(&ticket.draft, self.do_adopt(ticket))
    }

    fn apply(&self, draft: &DraftId, tar: &mut TarSource<'_>, limits: &Limits) -> Result<Applied> {
        self.told(draft, self.do_apply(draft, tar, limits))
    }

    fn changes(&self, node: NodeRef<'_>, sink: &mut ChangeSink<'_>) -> Result<()> {
        self.told(node, self.do_changes(node, sink))
    }

    fn diff(&self, node: NodeRef<'_>, tar: &mut dyn Write) -> Result<DiffSummary> {
        self.told(node, self.do_diff(node, tar))
    }

    fn borrowing(&self) -> Option<&dyn Borrow> {
        Some(self)
    }
}
