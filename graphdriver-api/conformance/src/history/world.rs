//! A driver and the model side by side: does each operation to both, and
//! compares what they answer and what is there afterwards.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use graphdriver_api::{
    Base, Change, DraftId, DraftSpec, ErrorKind, GraphDriver, LayerId, MountGuard, MountRequest,
    MountState, NodeKind, NodeRef,
};

use super::Bench;
use super::clock::Clock;
use super::hands::Hands;
use super::op::{Action, Op};
use super::oracle;
use super::stats::Stats;
use crate::snapshot::Snapshot;
use crate::tree::{Mtime, NOT_TRIED, Rules, Tree, changes};

/// How many differences a failure shows.
const SHOWN: usize = 12;

/// What is wrong, in words.
pub(super) type Wrong = String;

/// One history's driver and model.
pub(super) struct World<'a> {
    pub(super) bench: &'a Bench<'a>,
    root: PathBuf,
    pub(super) driver: Arc<dyn GraphDriver>,
    pub(super) rules: Rules,
    pub(super) layers: Vec<Layer>,
    draft: Option<Draft>,
    clock: Clock,
    names: u32,
    pub(super) stats: Stats,
}

/// A layer as it was when it was committed.
pub(super) struct Layer {
    pub(super) id: LayerId,
    pub(super) parent: Option<usize>,
    pub(super) tree: Tree,
    pub(super) actual: Snapshot,
}

/// The mounted draft.
struct Draft {
    id: DraftId,
    parent: Option<usize>,
    tree: Tree,
    guard: MountGuard,
}

impl<'a> World<'a> {
    /// Opens the driver on a directory that is empty or isn't there.
    pub(super) fn new(bench: &'a Bench<'a>, root: &Path) -> Result<Self, Wrong> {
        let driver = bench.factory.open(root, bench.options).map_err(because("open"))?;
        let rules = Rules::from(driver.traits());
        Ok(Self {
            bench,
            root: root.to_owned(),
            driver,
            rules,
            layers: Vec::new(),
            draft: None,
            clock: Clock::default(),
            names: 0,
            stats: Stats { histories: 1, ..Stats::default() },
        })
    }

    /// Does one operation and looks whether all is as it should be. One that
    /// has no meaning here is passed over.
    pub(super) fn perform(&mut self, op: &Op) -> Result<(), Wrong> {
        let kind = oracle::kind(self.draft.as_ref().map(|draft| &draft.tree), op);
        let succeeded = match op {
            Op::File(path, action) => self.file(path, action)?,
            Op::Remount => self.with_draft(Self::remount)?,
            Op::Persist => self.with_draft(Self::persist)?,
            Op::Reopen => self.with_draft(Self::reopen)?,
            Op::Commit => self.commit()?,
            Op::Discard => self.discard()?,
            Op::Child(base) => self.child(*base)?,
            Op::RoundTrip { layer, deferred } => self.round_trip(*layer, *deferred)?,
        };
        if let Some(succeeded) = succeeded {
            self.stats.count(kind, succeeded);
        }
        Ok(())
    }

    /// Ends the history: every layer must still be what it was, and go when
    /// it is told to.
    pub(super) fn finish(mut self) -> Result<Stats, Wrong> {
        if self.draft.is_some() {
            self.commit()?;
        }
        if let Some(newest) = self.layers.len().checked_sub(1) {
            self.round_trip(newest, false)?;
        }
        self.layers_are_unchanged()?;
        self.everything_goes()?;
        self.stats.layers = self.layers.len() as u64;
        Ok(self.stats)
    }

    fn file(&mut self, path: &Path, action: &Action) -> Result<Option<bool>, Wrong> {
        let Some(draft) = &mut self.draft else { return Ok(None) };
        if matches!(action, Action::MapWrite(..)) && self.bench.map_write.is_none() {
            return Ok(None);
        }
        draft.tree.set_step(self.clock.next());
        let expected = oracle::perform(&mut draft.tree, path, action);
        if expected == Err(NOT_TRIED) && matches!(action, Action::Rename(..)) {
            return Ok(None);
        }
        let root = draft.guard.root().ok_or("the guard has no root")?;
        let hands = Hands { root, map_write: self.bench.map_write };
        let began = self.clock.begin();
        let actual = hands.perform(path, action);
        self.clock.end(began);
        if expected != actual {
            let expected = expected.map_err(std::io::Error::from);
            let actual = actual.map_err(std::io::Error::from);
            return Err(format!("expected {expected:?}, got {actual:?}"));
        }
        self.compare("afterwards")?;
        Ok(Some(actual.is_ok()))
    }

    /// Compares the mounted draft with the model.
    fn compare(&mut self, when: &str) -> Result<Snapshot, Wrong> {
        let draft = self.draft.as_ref().ok_or("there is no draft")?;
        let actual = capture(&draft.guard)?;
        let expected = draft.tree.snapshot(|ino, mtime| self.clock.when(ino, mtime));
        self.stats.comparisons += 1;
        no_differences(when, &expected, &actual)?;
        self.clock.remember(&draft.tree, &actual);
        Ok(actual)
    }

    /// Does something with the draft taken out, which it gives back.
    fn with_draft(
        &mut self,
        work: impl FnOnce(&mut Self, Draft) -> Result<(Draft, bool), Wrong>,
    ) -> Result<Option<bool>, Wrong> {
        let Some(draft) = self.draft.take() else { return Ok(None) };
        let (draft, succeeded) = work(self, draft)?;
        self.draft = Some(draft);
        self.compare("mounted again")?;
        Ok(Some(succeeded))
    }

    fn remount(&mut self, mut draft: Draft) -> Result<(Draft, bool), Wrong> {
        let actual = capture(&draft.guard)?;
        draft.guard.unmount().map_err(because("unmount"))?;
        self.tells((&draft.id).into(), draft.parent, &actual)?;
        draft.guard = self.mount(&draft.id, &MountRequest::read_only())?;
        let again = capture(&draft.guard)?;
        no_differences("mounted read-only", &self.comparable(actual), &again)?;
        let root = draft.guard.root().ok_or("the guard has no root")?;
        let hands = Hands { root, map_write: None };
        let written = hands.perform(Path::new("."), &Action::SetTime(None));
        if written != Err(rustix::io::Errno::ROFS) {
            return Err(format!("a read-only mount answers a write with {written:?}"));
        }
        draft.guard.unmount().map_err(because("unmount what was read-only"))?;
        draft.guard = self.mount(&draft.id, &MountRequest::default())?;
        Ok((draft, true))
    }

    fn persist(&mut self, mut draft: Draft) -> Result<(Draft, bool), Wrong> {
        let ticket = match draft.guard.persist() {
            Ok(ticket) => ticket.ok_or("a mounted guard gave no ticket")?,
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok((draft, false)),
            Err(error) => return Err(because("persist")(error)),
        };
        self.open_anew()?;
        let info = self.driver.stat((&draft.id).into()).map_err(because("stat"))?;
        if info.mount != MountState::Persisted(ticket.clone()) {
            return Err(format!("persisted, its state is {:?}", info.mount));
        }
        match self.driver.mount(&draft.id, &MountRequest::default()) {
            Err(error) if error.kind() == ErrorKind::Busy => {}
            other => return Err(format!("persisted, another mount gives {other:?}")),
        }
        draft.guard = self.driver.adopt(&ticket).map_err(because("adopt"))?;
        Ok((draft, true))
    }

    fn reopen(&mut self, mut draft: Draft) -> Result<(Draft, bool), Wrong> {
        draft.guard.unmount().map_err(because("unmount"))?;
        self.open_anew()?;
        draft.guard = self.mount(&draft.id, &MountRequest::default())?;
        Ok((draft, true))
    }

    fn open_anew(&mut self) -> Result<(), Wrong> {
        let opened = self.bench.factory.open(&self.root, self.bench.options);
        self.driver = opened.map_err(because("open again"))?;
        Ok(())
    }

    fn commit(&mut self) -> Result<Option<bool>, Wrong> {
        if self.draft.is_none() {
            return Ok(None);
        }
        let actual = self.compare("before commit")?;
        let Some(mut draft) = self.draft.take() else { return Ok(None) };
        self.tells((&draft.id).into(), draft.parent, &actual)?;
        draft.guard.unmount().map_err(because("unmount"))?;
        let id = LayerId::new(format!("layer-{}", self.layers.len())).map_err(|e| e.to_string())?;
        self.driver.commit(&draft.id, &id, None).map_err(because("commit"))?;
        self.tells((&id).into(), draft.parent, &actual)?;
        self.is_known(&id, draft.parent)?;
        let (parent, actual) = (draft.parent, self.comparable(actual));
        self.layers.push(Layer { id, parent, tree: draft.tree, actual });
        Ok(Some(true))
    }

    /// Whether a new layer's stat says where it stands.
    fn is_known(&self, id: &LayerId, parent: Option<usize>) -> Result<(), Wrong> {
        let info = self.driver.stat(id.into()).map_err(because("stat"))?;
        let above = |of: usize| self.layers.get(of).and_then(|layer| layer.parent);
        let depth = std::iter::successors(parent, |of| above(*of)).count() + 1;
        let parent = parent.and_then(|parent| self.layers.get(parent)).map(|layer| &layer.id);
        let right = info.kind == NodeKind::Layer
            && info.parent.as_ref() == parent
            && usize::try_from(info.depth) == Ok(depth);
        match right {
            true => Ok(()),
            false => Err(format!("a layer on {parent:?}, at depth {depth}, is {info:?}")),
        }
    }

    fn discard(&mut self) -> Result<Option<bool>, Wrong> {
        let Some(mut draft) = self.draft.take() else { return Ok(None) };
        draft.guard.unmount().map_err(because("unmount"))?;
        self.driver.remove((&draft.id).into()).map_err(because("remove the draft"))?;
        match self.driver.stat((&draft.id).into()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(true)),
            other => Err(format!("removed, its stat gives {other:?}")),
        }
    }

    fn child(&mut self, parent: Option<usize>) -> Result<Option<bool>, Wrong> {
        if self.draft.is_some() || parent.is_some_and(|parent| parent >= self.layers.len()) {
            return Ok(None);
        }
        let id = self.name()?;
        let step = self.clock.next();
        let below = parent.and_then(|parent| self.layers.get(parent));
        let mut tree = below.map(|layer| layer.tree.child()).unwrap_or_default();
        if below.is_none() {
            // The contract doesn't say when the root of nothing was modified.
            tree.set_root_mtime(Mtime::at(crate::snapshot::Timestamp::default()).or_now(step));
        }
        let began = self.clock.begin();
        // Until the host is restarted, that mustn't make any difference.
        let spec = DraftSpec { volatile: step % 2 == 1, ..DraftSpec::default() };
        let prepared = self.driver.prepare(&id, self.base(parent), &spec);
        prepared.map_err(because("prepare"))?;
        self.clock.end(began);
        let guard = self.mount(&id, &MountRequest::default())?;
        self.draft = Some(Draft { id, parent, tree: tree.with_rules(self.rules), guard });
        self.compare("in the new draft")?;
        Ok(Some(true))
    }

    /// What a draft on that layer is prepared on.
    pub(super) fn base(&self, layer: Option<usize>) -> Base<'_> {
        match layer.and_then(|layer| self.layers.get(layer)) {
            Some(layer) => Base::Layer(&layer.id),
            None => Base::Scratch,
        }
    }

    pub(super) fn mount(&self, id: &DraftId, request: &MountRequest) -> Result<MountGuard, Wrong> {
        self.driver.mount(id, request).map_err(because("mount"))
    }

    /// An id that no draft had before.
    pub(super) fn name(&mut self) -> Result<DraftId, Wrong> {
        self.names += 1;
        DraftId::new(format!("draft-{}", self.names)).map_err(|e| e.to_string())
    }

    /// Whether the changes that the driver tells are those between the
    /// parent and what was found in the node.
    fn tells(
        &self,
        node: NodeRef<'_>,
        parent: Option<usize>,
        actual: &Snapshot,
    ) -> Result<(), Wrong> {
        let mut told: Vec<Change> = Vec::new();
        let mut sink = |change| {
            told.push(change);
            Ok(std::ops::ControlFlow::Continue(()))
        };
        self.driver.changes(node, &mut sink).map_err(because("changes"))?;
        let nothing = Snapshot::new();
        let below = parent.and_then(|parent| self.layers.get(parent));
        let mut expected = changes(below.map_or(&nothing, |layer| &layer.actual), actual);
        if below.is_none() {
            // Nor when the root of the empty tree was.
            expected.relinked.insert(PathBuf::from("."));
        }
        let faults = expected.faults_in(&told, self.driver.traits().exact_diff);
        match faults.as_slice() {
            [] => Ok(()),
            faults => Err(format!("the changes of {node} are wrong:\n  {}", faults.join("\n  "))),
        }
    }

    /// A snapshot that can be compared with one of another mount: link counts
    /// of files from below may be anything where links don't survive.
    pub(super) fn comparable(&self, mut snapshot: Snapshot) -> Snapshot {
        if !self.rules.hard_links_survive_write {
            let paths: Vec<_> = snapshot.iter().map(|(path, _)| path.to_owned()).collect();
            for entry in paths {
                if let Some(entry) = snapshot.get_mut(&entry) {
                    entry.nlink = None;
                }
            }
        }
        snapshot
    }
}

/// The tree behind a guard.
pub(super) fn capture(guard: &MountGuard) -> Result<Snapshot, Wrong> {
    let root = guard.root().ok_or("the guard has no root")?;
    Snapshot::capture(root).map_err(because("look at the tree"))
}

/// Fails with the first differences, if there are any.
pub(super) fn no_differences(
    when: &str,
    expected: &Snapshot,
    actual: &Snapshot,
) -> Result<(), Wrong> {
    let differences = expected.differences(actual);
    if differences.is_empty() {
        return Ok(());
    }
    let shown: Vec<_> = differences.iter().take(SHOWN).map(|d| format!("\n  {d}")).collect();
    Err(format!("{when}, {} differences:{}", differences.len(), shown.concat()))
}

/// Says what was being done when something failed.
pub(super) fn because<E: Display + std::error::Error>(what: &str) -> impl Fn(E) -> Wrong {
    let what = what.to_owned();
    move |error| {
        let mut line = format!("{what}: {error}");
        let mut next = error.source();
        while let Some(source) = next {
            line = format!("{line}: {source}");
            next = source.source();
        }
        line
    }
}
