//! Archives into drafts, and differences out of nodes.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use graphdriver_api::{
    Applied, Change, ChangeKind, ChangeSink, DiffSummary, DraftId, ErrorKind, LayerId, Limits,
    NodeKind, NodeRef, Op, Result, TarSource,
};

use super::archive::{Archive, Footing, apply, misplaced, read, write};
use super::driver::Model;
use super::fault::Fault;
use super::place::{Place, read_tree};
use super::state::{Content, Unpacking, refused};
use crate::snapshot::{Kind, Snapshot};
use crate::tree::{Tree, changes};

impl Model {
    pub(super) fn do_apply(
        &self,
        draft: &DraftId,
        tar: &mut TarSource<'_>,
        limits: &Limits,
    ) -> Result<Applied> {
        let running = self.begin(draft)?;
        let limits = if self.has(Fault::ApplyIgnoresLimits) { &Limits::NONE } else { limits };
        // Nobody waits for the stream: the state isn't locked here.
        let archive = read(tar, limits, self.has(Fault::ApplyStopsAtMarker))?;
        let mut applied = archive.applied;
        let (content, replaced) = self.unpacked(draft, archive)?;
        applied.replaced = if self.has(Fault::ApplyForgetsReplaced) { 0 } else { replaced };
        running.succeed(content)?;
        Ok(applied)
    }

    fn begin<'a>(&'a self, draft: &'a DraftId) -> Result<Running<'a>> {
        let mut state = self.place.lock();
        let found = state.draft_mut(Op::Apply, draft)?;
        if found.is_mounted() {
            let why = "it is mounted; unmount it first";
            return Err(refused(ErrorKind::Busy, Op::Apply, draft, why));
        }
        if found.kind == NodeKind::View {
            return Err(refused(ErrorKind::WrongState, Op::Apply, draft, "it is a view"));
        }
        if found.unpacking != Unpacking::No && !self.has(Fault::ApplyFailureForgotten) {
            let why = "another archive wasn't wholly unpacked over it; remove it";
            return Err(refused(ErrorKind::WrongState, Op::Apply, draft, why));
        }
        found.unpacking = Unpacking::Running;
        Ok(Running { place: &self.place, draft })
    }

    /// What the draft holds with the archive, and how many of its files don't
    /// stand where it says.
    fn unpacked(&self, id: &DraftId, archive: Archive) -> Result<(Content, u64)> {
        let state = self.place.lock();
        let (mut tree, deferred) = match &state.draft(Op::Apply, id)?.content {
            Content::Memory(tree) => (tree.clone(), None),
            Content::Deferred(archives, tree) => (tree.clone(), Some(archives.clone())),
            Content::Disk(dir) => (read_tree(Op::Apply, dir)?, None),
        };
        drop(state);
        Ok(match deferred {
            None => {
                apply(&mut tree, &archive, Footing::Known, self.fault())?;
                let replaced = misplaced(&mut tree, &archive);
                (Content::Memory(tree), replaced)
            }
            Some(mut archives) => {
                apply(&mut tree, &archive, Footing::Deferred, self.fault())?;
                let replaced = misplaced(&mut tree, &archive);
                archives.push(archive);
                (Content::Deferred(archives, tree), replaced)
            }
        })
    }

    pub(super) fn do_changes(&self, node: NodeRef<'_>, sink: &mut ChangeSink<'_>) -> Result<()> {
        let (parent, tree) = self.both(Op::Changes, node)?;
        for change in self.list(&parent.exact_snapshot(), &tree.exact_snapshot()) {
            match sink(change) {
                Ok(flow) if flow.is_break() && !self.has(Fault::ChangesDontStop) => break,
                Err(error) if !self.has(Fault::ChangesSwallowErrors) => return Err(error),
                Err(_) => break,
                Ok(_) => {}
            }
        }
        Ok(())
    }

    fn list(&self, parent: &Snapshot, tree: &Snapshot) -> Vec<Change> {
        let mut list = changes(parent, tree).differing;
        if self.has(Fault::ChangesTrustTimes) {
            list.retain(|change| !looks_the_same(parent, tree, change));
        }
        if self.has(Fault::ChangesNameTheBuried) {
            let gone = parent.iter().map(|(path, _)| path).filter(|path| tree.get(path).is_none());
            list.retain(|change| change.kind != ChangeKind::Deleted);
            list.extend(
                gone.map(|path| Change { path: path.to_owned(), kind: ChangeKind::Deleted }),
            );
            list.sort();
        }
        if self.has(Fault::ChangesByBytes) {
            list.sort_by(|a, b| a.path.as_os_str().as_bytes().cmp(b.path.as_os_str().as_bytes()));
        }
        list
    }

    pub(super) fn do_diff(&self, node: NodeRef<'_>, tar: &mut dyn Write) -> Result<DiffSummary> {
        let (parent, tree) = self.both(Op::Diff, node)?;
        write(&parent, &tree, tar, self.fault()).map_err(|error| error.with_node(node))
    }

    /// The parent's tree and the node's.
    fn both(&self, op: Op, node: NodeRef<'_>) -> Result<(Tree, Tree)> {
        let tree = self.tree_of(op, node)?;
        let state = self.place.lock();
        let parent: Option<&LayerId> = match node {
            NodeRef::Layer(id) => state.layer(op, id)?.parent.as_ref(),
            NodeRef::Draft(id) => {
                let draft = state.draft(op, id)?;
                if matches!(draft.content, Content::Deferred(..)) {
                    let why = "its parent is only known when it is committed";
                    return Err(refused(ErrorKind::WrongState, op, node, why));
                }
                draft.parent.as_ref()
            }
        };
        let parent = match parent {
            Some(id) => state.layer(op, id)?.tree.clone(),
            None => Tree::new(),
        };
        Ok((parent, tree))
    }
}

fn looks_the_same(parent: &Snapshot, tree: &Snapshot, change: &Change) -> bool {
    let (Some(old), Some(new)) = (parent.get(&change.path), tree.get(&change.path)) else {
        return false;
    };
    match (&old.kind, &new.kind) {
        (Kind::File(a), Kind::File(b)) => a.len == b.len && old.mtime == new.mtime,
        _ => false,
    }
}

/// An archive that is being applied. Unless it succeeds, it has failed:
/// whatever returns, or panics, on the way.
struct Running<'a> {
    place: &'a Place,
    draft: &'a DraftId,
}

impl Running<'_> {
    fn succeed(self, content: Content) -> Result<()> {
        let mut state = self.place.lock();
        let draft = state.draft_mut(Op::Apply, self.draft)?;
        draft.content = content;
        draft.unpacking = Unpacking::No;
        Ok(())
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(draft) = self.place.lock().drafts.get_mut(self.draft)
            && draft.unpacking == Unpacking::Running
        {
            draft.unpacking = Unpacking::Failed;
        }
    }
}
