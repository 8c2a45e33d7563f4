//! The contract's methods. What nodes have in common with those of other drivers
//! is the store's; each method here says what an overlay adds.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use graphdriver_api::{
    Access, Applied, Base, Borrow, ChangeSink, DiffSummary, DraftId, DraftSpec, Error, ErrorKind,
    GraphDriver, LayerId, Limits, MountGuard, MountPlan, MountRequest, MountTicket, NativeDiff,
    NodeInfo, NodeRef, Op, Reclaimed, Result, Status, TarSource, Traits, Usage,
};
use rustix::io::Errno;
use sapwood_kit::at::Meta;
use sapwood_kit::idmap::{IdMaps, Mapped};
use sapwood_kit::nodes::{Kind, Making, Node, NodeStore, Use, usage_of};

use crate::in_use::Trial;
use crate::probe::Probe;
use crate::settings::{self, Settings};
use crate::stack::{Ground, Part, Private, Stack, dir_of};
use crate::tree::{DIFF, WORK};
use crate::{NAME, facts, holders, plan, tree, volatile};

/// overlay2, opened on a root.
#[derive(Debug)]
pub(crate) struct Overlay2 {
    pub(crate) store: Arc<NodeStore>,
    pub(crate) settings: Settings,
    pub(crate) probe: Probe,
    traits: Traits,
    ids: IdMaps,
}

impl Overlay2 {
    pub(crate) fn new(store: NodeStore, settings: Settings, probe: Probe) -> Self {
        let traits = settings::traits(&settings, &probe);
        Self { store: Arc::new(store), settings, probe, traits, ids: IdMaps::default() }
    }

    pub(crate) fn ground(&self) -> Ground<'_> {
        Ground { store: &self.store, settings: &self.settings, probe: &self.probe }
    }

    /// An error of the operating system about a node; `doing` is a verb and its
    /// object.
    pub(crate) fn failed(&self, op: Op, node: &Node, doing: &'static str, e: io::Error) -> Error {
        Error::io(op, doing, e).with_driver(NAME).with_node(node.id())
    }

    pub(crate) fn refused(&self, op: Op, node: &Node, kind: ErrorKind, why: &'static str) -> Error {
        Error::new(kind, op, why).with_driver(NAME).with_node(node.id())
    }

    /// Refuses a draft that an overlay somewhere on the host still writes to.
    ///
    /// Only a mount for writing makes a directory in the work directory, so a
    /// draft that never had one costs no more than to see that.
    pub(crate) fn refuse_writers(&self, op: Op, node: &Node) -> Result<()> {
        if !self.probe.in_use.works || !self.was_mounted(op, node)? {
            return Ok(());
        }
        match self.is_in_use(op, node)? {
            false => Ok(()),
            true => Err(self.has_writers(op, node)),
        }
    }

    fn has_writers(&self, op: Op, node: &Node) -> Error {
        let point = self.store.path().join("mounts").join(node.id().as_str());
        let who = holders::holder(&point);
        let who = who.as_deref().unwrap_or("a process that can't be seen from here");
        let why = format!("{who} still has a mount of it, in another mount namespace: end it");
        Error::new(ErrorKind::Busy, op, why).with_driver(NAME).with_node(node.id())
    }

    fn is_in_use(&self, op: Op, node: &Node) -> Result<bool> {
        let root = self.store.root_here(op)?;
        let trial = Trial {
            path: self.store.path(),
            root: root.as_fd(),
            way: self.probe.way,
            detached_layers: self.probe.detached_layers,
        };
        let upper = dir_of(node.id()).join(DIFF);
        self.ground()
            .host()
            .and_then(|host| trial.is_still_in_use(&upper, host.as_fd()))
            .map_err(|e| self.failed(op, node, "look for other mounts of it", e))
    }

    fn was_mounted(&self, op: Op, node: &Node) -> Result<bool> {
        let inner = format!("{WORK}/work");
        match Meta::at(node.dir(), inner.as_ref()) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(self.failed(op, node, "look at the work directory", e.into())),
        }
    }

    /// Makes the upper and work directories ready for a mount with flushing, or
    /// without.
    /// The work directory becomes that of whom the kernel's own files belong to.
    pub(crate) fn ready_upper(
        &self,
        op: Op,
        node: &Node,
        quick: bool,
        ids: Option<&Mapped>,
    ) -> Result<()> {
        self.refuse_lost(op, node)?;
        let ready = || -> io::Result<()> {
            tree::make_work(node.dir(), ids.map_or((0, 0), |ids| ids.owner().on_disk))?;
            match (volatile::state(node.dir())?, quick) {
                (volatile::State::Unflushed, false) => volatile::end(node.dir()),
                _ => Ok(()),
            }
        };
        ready().map_err(|e| self.failed(op, node, "prepare the work directory", e))?;
        self.unbar(op, node)
    }

    /// A draft that a restart takes away needs no note that it was damaged by one.
    fn note_quick(&self, node: &Node) -> io::Result<()> {
        match node.is_volatile()? {
            true => Ok(()),
            false => volatile::begin(node.dir()),
        }
    }

    fn fill(making: &Making<'_>, below: Option<OwnedFd>, deferred: bool) -> io::Result<()> {
        let diff = tree::make(making.dir())?;
        if let Some(below) = below {
            tree::take_root_from(below.as_fd(), diff.as_fd())?;
        }
        if deferred { Ok(()) } else { tree::make_work(making.dir(), (0, 0)) }
    }

    fn ids(&self, draft: &DraftId, request: &MountRequest) -> Result<Option<Mapped>> {
        let Some(map) = &request.id_map else { return Ok(None) };
        let named = |e: Error| e.with_driver(NAME).with_node(draft);
        if !self.traits.id_maps {
            let why = format!("id maps don't work here: {}", self.probe.id_maps.reason);
            return Err(named(Error::new(ErrorKind::Unsupported, Op::Mount, why)));
        }
        self.ids.get(Op::Mount, map).map(Some).map_err(named)
    }

    fn part(node: &Node, request: &MountRequest) -> Part {
        match (node.record().kind, request.access) {
            (Kind::Draft, Access::ReadWrite) => Part::Writable,
            _ => Part::Whole,
        }
    }
}

impl GraphDriver for Overlay2 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn traits(&self) -> &Traits {
        &self.traits
    }

    fn status(&self) -> Result<Status> {
        Ok(Status {
            facts: facts::facts(&self.settings, &self.probe),
            recovered: self.store.recovered(),
            awaiting_reclaim: self.store.awaiting_reclaim()?,
        })
    }

    fn prepare(&self, draft: &DraftId, base: Base<'_>, spec: &DraftSpec) -> Result<()> {
        if spec.quota.is_some() {
            let why = "overlay2 can't limit a draft";
            let error = Error::new(ErrorKind::Unsupported, Op::Prepare, why);
            return Err(error.with_driver(NAME).with_node(draft));
        }
        let making =
            self.store.begin(Op::Prepare, draft, base, Kind::Draft)?.volatile(spec.volatile);
        let below = making.base().map(|base| Private::of(Op::Prepare, base)).transpose()?;
        let metacopy = self.settings.metacopy || below.unwrap_or_default().metacopy;
        let root = making.base().map(|base| base.open_dir(NAME, Op::Prepare, DIFF)).transpose()?;
        Self::fill(&making, root, base == Base::Deferred).map_err(|e| {
            Error::io(Op::Prepare, "make the draft's directories", e)
                .with_driver(NAME)
                .with_node(draft)
        })?;
        making.publish(&Private { metacopy })
    }

    fn view(&self, draft: &DraftId, layer: &LayerId) -> Result<()> {
        let making = self.store.begin(Op::View, draft, Base::Layer(layer), Kind::View)?;
        let below = making.base().map(|base| Private::of(Op::View, base)).transpose()?;
        making.publish(&below.unwrap_or_default())
    }

    fn commit(&self, draft: &DraftId, layer: &LayerId, onto: Option<&LayerId>) -> Result<()> {
        // A note of mounts without flushing goes along: should the commit fail, it
        // has to be there, and in a layer it says nothing.
        self.store.commit(draft, layer, onto, |node| self.seal(node, onto))
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
        let diff = reading.node().open_dir(NAME, Op::Usage, DIFF)?;
        usage_of(diff.as_fd())
            .map_err(|e| self.failed(Op::Usage, reading.node(), "count its files", e))
    }

    fn mount_plan(&self, draft: &DraftId, request: &MountRequest) -> Result<MountPlan> {
        if request.id_map.is_some() {
            let why = "a plan can't hold an id map: mount it here instead";
            let error = Error::new(ErrorKind::Unsupported, Op::Plan, why);
            return Err(error.with_driver(NAME).with_node(draft));
        }
        let node = self.store.check_mountable(Op::Plan, draft)?;
        let part = Self::part(&node, request);
        if part == Part::Writable {
            // Should a commit have failed, and taken them away before.
            self.ready_upper(Op::Plan, &node, false, None)?;
        }
        let stack = Stack::of(&self.store, Op::Plan, &node)?;
        plan::plan(&stack, self.ground(), part).map_err(|e| e.with_node(draft))
    }

    fn mount(&self, draft: &DraftId, request: &MountRequest) -> Result<MountGuard> {
        let ids = self.ids(draft, request)?;
        let lease = self.store.lease(Op::Mount, draft, Use::Mount)?;
        let node = lease.node();
        let part = Self::part(node, request);
        let quick = part == Part::Writable && request.volatile && self.settings.volatile;
        if part == Part::Writable {
            self.refuse_writers(Op::Mount, node)?;
            self.ready_upper(Op::Mount, node, quick, ids.as_ref())?;
        }
        if quick {
            self.note_quick(node)
                .map_err(|e| self.failed(Op::Mount, node, "note that it isn't flushed", e))?;
        }
        let stack = Stack::of(&self.store, Op::Mount, node)?;
        let mount = stack.mount(self.ground(), part, ids.as_ref(), quick)?;
        self.store.attach(lease, mount)
    }

    fn adopt(&self, ticket: &MountTicket) -> Result<MountGuard> {
        self.store.adopt(ticket)
    }

    fn apply(&self, draft: &DraftId, tar: &mut TarSource<'_>, limits: &Limits) -> Result<Applied> {
        self.do_apply(draft, tar, limits)
    }

    fn changes(&self, node: NodeRef<'_>, sink: &mut ChangeSink<'_>) -> Result<()> {
        NativeDiff::changes(self, node, sink)
    }

    fn diff(&self, node: NodeRef<'_>, tar: &mut dyn Write) -> Result<DiffSummary> {
        NativeDiff::diff(self, node, tar)
    }

    fn borrowing(&self) -> Option<&dyn Borrow> {
        Some(self)
    }

    fn native_diff(&self) -> Option<&dyn NativeDiff> {
        Some(self)
    }
}
