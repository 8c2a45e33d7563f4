//! An open driver, with the steps that nearly every case takes.

use std::ops::{ControlFlow, Deref};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use graphdriver_api::{
    Applied, Base, Change, ChangeKind, ChangeSink, DiffSummary, DraftId, DraftSpec, GraphDriver,
    LayerId, Limits, MountGuard, MountRequest, NodeRef,
};

use super::files::Files;
use super::stop::{Stop, Verdict, When, ensure};
use crate::snapshot::{Entry, Snapshot};

/// A draft's id.
pub(super) fn draft(id: &str) -> Verdict<DraftId> {
    Ok(DraftId::new(id)?)
}

/// A layer's id.
pub(super) fn layer(id: &str) -> Verdict<LayerId> {
    Ok(LayerId::new(id)?)
}

/// An open driver. Every method of [`GraphDriver`] is there as well.
#[derive(Debug, Clone)]
pub(super) struct Store {
    driver: Arc<dyn GraphDriver>,
}

impl Deref for Store {
    type Target = dyn GraphDriver;

    fn deref(&self) -> &Self::Target {
        self.driver.as_ref()
    }
}

/// The base of a draft: a layer's id by name, or nothing.
pub(super) fn base(parent: Option<&LayerId>) -> Base<'_> {
    parent.map_or(Base::Scratch, Base::Layer)
}

impl Store {
    /// Wraps an open driver.
    pub(super) fn new(driver: Arc<dyn GraphDriver>) -> Self {
        Self { driver }
    }

    /// Prepares a draft without a limit.
    pub(super) fn draft(&self, id: &str, base: Base<'_>) -> Verdict<DraftId> {
        let id = draft(id)?;
        self.prepare(&id, base, &DraftSpec::default())?;
        Ok(id)
    }

    /// Prepares a draft on a layer.
    pub(super) fn on(&self, id: &str, parent: &LayerId) -> Verdict<DraftId> {
        self.draft(id, Base::Layer(parent))
    }

    /// Makes a view.
    pub(super) fn view_of(&self, id: &str, layer: &LayerId) -> Verdict<DraftId> {
        let id = draft(id)?;
        self.view(&id, layer)?;
        Ok(id)
    }

    /// Mounts a draft for writing, lets `write` do so, and unmounts.
    pub(super) fn edit<T>(
        &self,
        draft: &DraftId,
        write: impl FnOnce(&Files) -> Verdict<T>,
    ) -> Verdict<T> {
        self.during(draft, &MountRequest::default(), write)
    }

    /// Mounts a draft or view read-only, lets `read` look, and unmounts.
    pub(super) fn look<T>(
        &self,
        draft: &DraftId,
        read: impl FnOnce(&Files) -> Verdict<T>,
    ) -> Verdict<T> {
        self.during(draft, &MountRequest::read_only(), read)
    }

    /// Mounts as asked, lets `what` work, and unmounts.
    pub(super) fn during<T>(
        &self,
        draft: &DraftId,
        request: &MountRequest,
        what: impl FnOnce(&Files) -> Verdict<T>,
    ) -> Verdict<T> {
        let mut guard = self.mount(draft, request)?;
        let result = what(&files(&guard)?);
        guard.unmount()?;
        result
    }

    /// Makes a layer of what `write` writes.
    pub(super) fn layer(
        &self,
        id: &str,
        parent: Option<&LayerId>,
        write: impl FnOnce(&Files) -> Verdict,
    ) -> Verdict<LayerId> {
        let draft = self.draft(&format!("making-{id}"), base(parent))?;
        self.edit(&draft, write).when(format_args!("layer {id}"))?;
        self.committed(&draft, id)
    }

    /// Commits a draft that has its base.
    pub(super) fn committed(&self, draft: &DraftId, id: &str) -> Verdict<LayerId> {
        let id = layer(id)?;
        self.commit(draft, &id, None)?;
        Ok(id)
    }

    /// Commits to a new layer of that name, as the driver answers.
    pub(super) fn committed_as(
        &self,
        draft: &DraftId,
        id: &str,
    ) -> Verdict<graphdriver_api::Result<()>> {
        Ok(self.commit(draft, &layer(id)?, None))
    }

    /// Everything in a node: a draft is mounted read-only, a layer by a view
    /// that is removed afterwards.
    ///
    /// Where hard links to files below are broken by a write, nobody counts
    /// how many are left: then link counts are left out (see
    /// `copying::links_are_counted`).
    pub(super) fn tree<'a>(&self, node: impl Into<NodeRef<'a>>) -> Verdict<Snapshot> {
        let tree = match node.into() {
            NodeRef::Draft(draft) => self.look(draft, Files::snapshot),
            NodeRef::Layer(layer) => {
                self.looking_at(layer, |view| self.look(view, Files::snapshot))
            }
        }?;
        let counted = self.traits().hard_links_survive_write;
        Ok(if counted { tree } else { without_link_counts(tree) })
    }

    /// Lets `what` use a view of a layer, and removes the view.
    pub(super) fn looking_at<T>(
        &self,
        layer: &LayerId,
        what: impl FnOnce(&DraftId) -> Verdict<T>,
    ) -> Verdict<T> {
        let view = self.view_of("a-look-at-it", layer)?;
        let result = what(&view);
        self.remove(NodeRef::Draft(&view))?;
        result
    }

    /// Unpacks an archive with the default limits.
    pub(super) fn unpack(&self, draft: &DraftId, archive: &[u8]) -> Verdict<Applied> {
        Ok(self.try_unpack(draft, archive)?)
    }

    /// `apply` with the default limits, as it answers.
    pub(super) fn try_unpack(
        &self,
        draft: &DraftId,
        archive: &[u8],
    ) -> graphdriver_api::Result<Applied> {
        let mut archive = archive;
        self.apply(draft, &mut archive, &Limits::default())
    }

    /// A node's changes, in the order told.
    pub(super) fn changes_of<'a>(&self, node: impl Into<NodeRef<'a>>) -> Verdict<Vec<Change>> {
        collect(|sink| self.changes(node.into(), sink))
    }

    /// A node's difference as an archive.
    pub(super) fn archive<'a>(&self, node: impl Into<NodeRef<'a>>) -> Verdict<Vec<u8>> {
        Ok(self.diff_of(node)?.0)
    }

    /// A node's difference as an archive, and what the driver says of it.
    pub(super) fn diff_of<'a>(
        &self,
        node: impl Into<NodeRef<'a>>,
    ) -> Verdict<(Vec<u8>, DiffSummary)> {
        let mut tar = Vec::new();
        let summary = self.diff(node.into(), &mut tar)?;
        Ok((tar, summary))
    }
}

fn without_link_counts(mut tree: Snapshot) -> Snapshot {
    let paths: Vec<_> = tree.iter().map(|(path, _)| path.to_owned()).collect();
    for path in paths {
        if let Some(entry) = tree.get_mut(path) {
            entry.nlink = None;
        }
    }
    tree
}

/// The tree that a guard shows.
pub(super) fn files(guard: &MountGuard) -> Verdict<Files> {
    let root = guard.root().ok_or_else(|| Stop::failed("a mounted guard has no root"))?;
    Files::at(root)
}

/// Everything that a walk tells a sink.
pub(super) fn collect(
    walk: impl FnOnce(&mut ChangeSink<'_>) -> graphdriver_api::Result<()>,
) -> Verdict<Vec<Change>> {
    let mut changes = Vec::new();
    walk(&mut |change| {
        changes.push(change);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(changes)
}

/// Changes as lines: `A path`, `M path` or `D path`.
pub(super) fn lines(changes: &[Change]) -> Vec<String> {
    let line = |change: &Change| {
        let letter = match change.kind {
            ChangeKind::Added => 'A',
            ChangeKind::Modified => 'M',
            ChangeKind::Deleted => 'D',
        };
        format!("{letter} {}", change.path.as_os_str().as_bytes().escape_ascii())
    };
    changes.iter().map(line).collect()
}

/// The tree of a draft that stands on nothing.
pub(super) fn scratch() -> Snapshot {
    Snapshot::new().with(".", Entry::directory().mtime(0, 0))
}

/// Fails unless the trees are the same; the message has the first differences.
pub(super) fn same_tree(
    what: impl std::fmt::Display,
    found: &Snapshot,
    expected: &Snapshot,
) -> Verdict {
    let differences = expected.differences(found);
    let shown: Vec<_> = differences.iter().take(6).map(ToString::to_string).collect();
    let count = differences.len();
    ensure!(count == 0, "{what}: {count} differences: {}", shown.join("; "));
    Ok(())
}
