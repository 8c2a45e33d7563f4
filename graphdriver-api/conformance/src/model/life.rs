//! How nodes come, change and go.

use std::fs;
use std::io;
use std::time::SystemTime;

use graphdriver_api::{
    Base, DraftId, DraftSpec, Error, ErrorKind, LayerId, NodeKind, NodeRef, Op, Reclaimed, Result,
    Usage,
};

use super::MAX_DEPTH;
use super::archive::{Archive, Footing, apply};
use super::driver::Model;
use super::fault::Fault;
use super::place::read_tree;
use super::state::{Content, Draft, Layer, Mount, State, Trash, Unpacking, refused, usage};
use crate::tree::Tree;

impl Model {
    pub(super) fn do_prepare(
        &self,
        draft: &DraftId,
        base: Base<'_>,
        spec: &DraftSpec,
    ) -> Result<()> {
        if spec.quota.is_some() && !self.has(Fault::PrepareIgnoresQuota) {
            let why = "nothing limits a tree in memory";
            return Err(refused(ErrorKind::Unsupported, Op::Prepare, draft, why));
        }
        let mut state = self.place.lock();
        let (parent, content) = match base {
            Base::Scratch => (None, Content::Memory(Tree::new())),
            Base::Deferred => (None, Content::Deferred(Vec::new(), Tree::new())),
            Base::Layer(id) => {
                let layer = state.layer(Op::Prepare, id)?;
                self.check_lender(Op::Prepare, id, layer)?;
                let tree = layer.tree.clone();
                (Some(id.clone()), Content::Memory(tree))
            }
        };
        self.add_draft(&mut state, (Op::Prepare, draft), (NodeKind::Draft, parent, content))
    }

    pub(super) fn do_view(&self, draft: &DraftId, layer: &LayerId) -> Result<()> {
        let mut state = self.place.lock();
        let shown = state.layer(Op::View, layer)?;
        self.check_lender(Op::View, layer, shown)?;
        let content = Content::Memory(shown.tree.clone());
        let parent = Some(layer.clone());
        self.add_draft(&mut state, (Op::View, draft), (NodeKind::View, parent, content))
    }

    fn add_draft(
        &self,
        state: &mut State,
        (op, id): (Op, &DraftId),
        (kind, parent, content): (NodeKind, Option<LayerId>, Content),
    ) -> Result<()> {
        if state.drafts.contains_key(id) && !self.has(Fault::PrepareReplacesDraft) {
            return Err(refused(ErrorKind::AlreadyExists, op, id, ""));
        }
        self.not_too_deep(state, op, id, parent.as_ref())?;
        let created = SystemTime::now();
        let (mount, unpacking) = (Mount::Unmounted, Unpacking::No);
        let draft = Draft { kind, parent, created, content, mount, unpacking };
        state.drafts.insert(id.clone(), draft);
        Ok(())
    }

    /// A draft can stand on that layer, and so can be committed.
    fn not_too_deep(
        &self,
        state: &State,
        op: Op,
        draft: &DraftId,
        parent: Option<&LayerId>,
    ) -> Result<()> {
        let beneath = state.depth(parent);
        let too_deep = match op {
            // The new layer may be the last one, but no more than that.
            Op::Commit => beneath >= MAX_DEPTH,
            _ => beneath > MAX_DEPTH,
        };
        if too_deep && !self.has(Fault::DepthNotEnforced) {
            let why = "the chain of layers would be longer than 64";
            return Err(refused(ErrorKind::Unsupported, op, draft, why));
        }
        Ok(())
    }

    pub(super) fn do_commit(
        &self,
        draft: &DraftId,
        layer: &LayerId,
        onto: Option<&LayerId>,
    ) -> Result<()> {
        let mut state = self.place.lock();
        self.may_commit(&state, draft, layer)?;
        let (parent, tree) = self.committed(&state, draft, onto)?;
        self.not_too_deep(&state, Op::Commit, draft, parent.as_ref())?;
        let made = Layer { parent, created: SystemTime::now(), tree, lender: None };
        state.layers.insert(layer.clone(), made);
        if !self.has(Fault::CommitKeepsDraft)
            && let Some(Draft { content: Content::Disk(dir), .. }) = state.drafts.remove(draft)
        {
            drop(state);
            remove_tree(Op::Commit, &dir)?;
        }
        Ok(())
    }

    fn may_commit(&self, state: &State, draft: &DraftId, layer: &LayerId) -> Result<()> {
        let op = Op::Commit;
        let found = state.draft(op, draft)?;
        if found.kind == NodeKind::View && !self.has(Fault::CommitTakesViews) {
            return Err(refused(ErrorKind::WrongState, op, draft, "it is a view"));
        }
        if found.is_mounted() && !self.has(Fault::CommitWhileMounted) {
            return Err(refused(ErrorKind::Busy, op, draft, "it is mounted; unmount it first"));
        }
        if found.unpacking != Unpacking::No && !self.has(Fault::ApplyFailureForgotten) {
            let why = "its archive isn't wholly unpacked; remove it";
            return Err(refused(ErrorKind::WrongState, op, draft, why));
        }
        if state.layers.contains_key(layer) && !self.has(Fault::CommitReplacesLayer) {
            return Err(refused(ErrorKind::AlreadyExists, op, layer, ""));
        }
        Ok(())
    }

    /// The new layer's parent and tree.
    fn committed(
        &self,
        state: &State,
        id: &DraftId,
        onto: Option<&LayerId>,
    ) -> Result<(Option<LayerId>, Tree)> {
        let draft = state.draft(Op::Commit, id)?;
        match &draft.content {
            Content::Deferred(archives, _) => {
                let onto = onto.filter(|_| !self.has(Fault::CommitIgnoresOnto));
                let base = match onto {
                    Some(layer) => state.layer(Op::Commit, layer)?.tree.clone(),
                    None => Tree::new(),
                };
                Ok((onto.cloned(), self.replay(base, archives)?))
            }
            _ if onto.is_some() => {
                let why = "it has its base already; commit it without naming one";
                Err(refused(ErrorKind::InvalidArgument, Op::Commit, id, why))
            }
            Content::Memory(tree) => Ok((draft.parent.clone(), tree.clone())),
            Content::Disk(dir) => Ok((draft.parent.clone(), read_tree(Op::Commit, dir)?)),
        }
    }

    fn replay(&self, mut tree: Tree, archives: &[Archive]) -> Result<Tree> {
        for archive in archives {
            apply(&mut tree, archive, Footing::Known, self.fault())
                .map_err(|error| error.with_op(Op::Commit))?;
        }
        Ok(tree)
    }

    pub(super) fn do_remove(&self, node: NodeRef<'_>) -> Result<()> {
        let mut state = self.place.lock();
        if state.info(Op::Remove, node).is_err() && self.has(Fault::RemoveNotIdempotent) {
            return Err(refused(ErrorKind::NotFound, Op::Remove, node, ""));
        }
        let trash = match node {
            NodeRef::Draft(id) => self.take_draft(&mut state, id)?,
            NodeRef::Layer(id) => self.take_layer(&mut state, id)?,
        };
        state.trash.extend(trash);
        Ok(())
    }

    fn take_draft(&self, state: &mut State, id: &DraftId) -> Result<Option<Trash>> {
        let Some(draft) = state.drafts.get(id) else { return Ok(None) };
        if draft.is_mounted() && !self.has(Fault::RemoveWhileMounted) {
            let why = "it is mounted; unmount it first";
            return Err(refused(ErrorKind::Busy, Op::Remove, id, why));
        }
        if draft.unpacking == Unpacking::Running {
            let why = "an archive is being unpacked over it";
            return Err(refused(ErrorKind::Busy, Op::Remove, id, why));
        }
        Ok(state.drafts.remove(id).map(|draft| match draft.content {
            Content::Memory(tree) | Content::Deferred(_, tree) => {
                Trash { dir: None, bytes: usage(&tree).bytes }
            }
            Content::Disk(dir) => Trash { dir: Some(dir), bytes: 0 },
        }))
    }

    fn take_layer(&self, state: &mut State, id: &LayerId) -> Result<Option<Trash>> {
        if state.has_children(id) && !self.has(Fault::RemoveIgnoresChildren) {
            let why = "other nodes stand on it; remove them first";
            return Err(refused(ErrorKind::HasChildren, Op::Remove, id, why));
        }
        let removed = state.layers.remove(id);
        Ok(removed.map(|layer| Trash { dir: None, bytes: usage(&layer.tree).bytes }))
    }

    pub(super) fn do_reclaim(&self) -> Result<Reclaimed> {
        let mut state = self.place.lock();
        let trash = std::mem::take(&mut state.trash);
        if self.has(Fault::ReclaimLosesNodes) {
            let lonely = state.layers.keys().find(|id| !state.has_children(id)).cloned();
            lonely.and_then(|id| state.layers.remove(&id));
        }
        drop(state);
        let mut done = Reclaimed::default();
        for (at, item) in trash.iter().enumerate() {
            let deleted = match &item.dir {
                Some(dir) => read_tree(Op::Reclaim, dir)
                    .and_then(|tree| remove_tree(Op::Reclaim, dir).map(|()| usage(&tree).bytes)),
                None => Ok(item.bytes),
            };
            match deleted {
                Ok(bytes) => (done.nodes, done.bytes) = (done.nodes + 1, done.bytes + bytes),
                Err(error) => {
                    let rest = trash.into_iter().skip(at);
                    self.place.lock().trash.extend(rest);
                    return Err(error);
                }
            }
        }
        Ok(done)
    }

    pub(super) fn do_usage(&self, node: NodeRef<'_>) -> Result<Usage> {
        let info = self.place.lock().info(Op::Usage, node)?;
        // A view is its layer's tree, and a borrowed one is the lender's.
        let nothing = info.kind == NodeKind::View || info.lender.is_some();
        if nothing || self.has(Fault::UsageZero) {
            return Ok(Usage::default());
        }
        Ok(usage(&self.tree_of(Op::Usage, node)?))
    }

    /// A node's tree as it is now.
    pub(super) fn tree_of(&self, op: Op, node: NodeRef<'_>) -> Result<Tree> {
        let state = self.place.lock();
        let dir = match node {
            NodeRef::Layer(id) => {
                let layer = state.layer(op, id)?;
                self.check_lender(op, id, layer)?;
                return Ok(layer.tree.clone());
            }
            NodeRef::Draft(id) => match &state.draft(op, id)?.content {
                Content::Memory(tree) | Content::Deferred(_, tree) => return Ok(tree.clone()),
                Content::Disk(dir) => dir.clone(),
            },
        };
        drop(state);
        read_tree(op, &dir)
    }
}

/// Deletes a draft's directory.
fn remove_tree(op: Op, dir: &std::path::Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(op, "delete the draft's directory", e).with_path(dir))
        }
        _ => Ok(()),
    }
}
