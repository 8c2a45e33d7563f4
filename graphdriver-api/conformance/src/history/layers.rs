//! What is asked of layers: that their differences carry them elsewhere, that
//! they never change, and that they go in the end.

use std::path::PathBuf;

use graphdriver_api::{Base, DraftSpec, ErrorKind, LayerId, Limits, MountRequest, NodeRef};

use super::world::{World, Wrong, because, capture, no_differences};
use crate::snapshot::{Kind, Snapshot};
use crate::tree::Tree;

impl World<'_> {
    /// Takes a layer's difference to a new node on the same parent, and
    /// compares the trees.
    pub(super) fn round_trip(
        &mut self,
        number: usize,
        deferred: bool,
    ) -> Result<Option<bool>, Wrong> {
        if number >= self.layers.len() || (deferred && !self.driver.traits().rebase) {
            return Ok(None);
        }
        let archive = self.archive(number)?;
        let draft = self.name()?;
        let parent = self.layers.get(number).and_then(|layer| layer.parent);
        let base = if deferred { Base::Deferred } else { self.base(parent) };
        self.driver.prepare(&draft, base, &DraftSpec::default()).map_err(because("prepare"))?;
        match self.driver.apply(&draft, &mut archive.as_slice(), &Limits::default()) {
            Err(error) if deferred && error.kind() == ErrorKind::NeedsParent => {
                let removed = self.driver.remove((&draft).into());
                return removed.map(|()| Some(false)).map_err(because("remove what needs it"));
            }
            applied => applied.map_err(because("apply a layer's difference"))?,
        };
        let copy = LayerId::new("copy").map_err(|e| e.to_string())?;
        let onto = parent.filter(|_| deferred).and_then(|parent| self.layers.get(parent));
        let committed = self.driver.commit(&draft, &copy, onto.map(|layer| &layer.id));
        committed.map_err(because("commit what was applied"))?;
        let found = self.look(&copy)?;
        self.is_copy(number, found)?;
        self.driver.remove((&copy).into()).map_err(because("remove the copy"))?;
        Ok(Some(true))
    }

    fn archive(&self, number: usize) -> Result<Vec<u8>, Wrong> {
        let layer = self.layers.get(number).ok_or("there is no such layer")?;
        let mut archive = Vec::new();
        let summary =
            self.driver.diff((&layer.id).into(), &mut archive).map_err(because("diff"))?;
        if summary.bytes != archive.len() as u64 {
            return Err(format!("{} bytes told, {} written", summary.bytes, archive.len()));
        }
        Ok(archive)
    }

    fn is_copy(&self, number: usize, mut found: Snapshot) -> Result<(), Wrong> {
        let layer = self.layers.get(number).ok_or("there is no such layer")?;
        let mut expected = layer.actual.clone();
        // Archives have no sockets.
        let sockets: Vec<_> = expected
            .iter()
            .filter(|(_, entry)| entry.kind == Kind::Socket)
            .map(|(path, _)| path.to_owned())
            .collect();
        for path in sockets {
            if found.get(&path).is_none_or(|entry| entry.kind == Kind::Socket) {
                expected = expected.without(&path);
                found = found.without(&path);
            }
        }
        for path in self.unlinkable(&layer.tree) {
            (expected, found) = (expected.alone(&path), found.alone(&path));
        }
        if layer.parent.is_none()
            && let (Some(root), Some(other)) = (expected.get_mut("."), found.get("."))
        {
            // Where the root of nothing has no time to differ from.
            root.mtime = other.mtime;
        }
        no_differences("taken elsewhere", &expected, &self.comparable(found))
    }

    /// Names of files from below that had others there: where hard links
    /// don't survive a write, no archive can bring them another name, because
    /// linking is a write.
    fn unlinkable(&self, tree: &Tree) -> Vec<PathBuf> {
        if self.rules.hard_links_survive_write {
            return Vec::new();
        }
        let below = |ino| {
            tree.node(ino)
                .is_some_and(|n| !n.is_directory() && n.below.is_some_and(|b| b.names > 1))
        };
        tree.paths().into_iter().filter(|(_, ino)| below(*ino)).map(|(path, _)| path).collect()
    }

    /// The tree of a layer, through a view.
    fn look(&mut self, layer: &LayerId) -> Result<Snapshot, Wrong> {
        let view = self.name()?;
        self.driver.view(&view, layer).map_err(because("view"))?;
        let mut guard = self.mount(&view, &MountRequest::default())?;
        let found = capture(&guard)?;
        guard.unmount().map_err(because("unmount the view"))?;
        self.driver.remove((&view).into()).map_err(because("remove the view"))?;
        Ok(found)
    }

    /// Law 1.
    pub(super) fn layers_are_unchanged(&mut self) -> Result<(), Wrong> {
        for number in 0..self.layers.len() {
            let Some(id) = self.layers.get(number).map(|layer| layer.id.clone()) else { continue };
            let found = self.look(&id)?;
            let found = self.comparable(found);
            self.stats.comparisons += 1;
            if let Some(layer) = self.layers.get(number) {
                no_differences(&format!("in the end, in {id}"), &layer.actual, &found)?;
            }
        }
        Ok(())
    }

    /// Law 4, and that nothing is left.
    pub(super) fn everything_goes(&mut self) -> Result<(), Wrong> {
        let parents = self.layers.iter().filter_map(|layer| layer.parent);
        if let Some(parent) = parents.max().and_then(|parent| self.layers.get(parent)) {
            match self.driver.remove((&parent.id).into()) {
                Err(error) if error.kind() == ErrorKind::HasChildren => {}
                other => return Err(format!("removing a layer with children gives {other:?}")),
            }
        }
        for layer in self.layers.iter().rev() {
            let node = NodeRef::Layer(&layer.id);
            self.driver.remove(node).map_err(because("remove a layer"))?;
        }
        self.driver.reclaim().map_err(because("reclaim"))?;
        match self.driver.list().map_err(because("list"))?.as_slice() {
            [] => Ok(()),
            left => Err(format!("removed, but still there: {left:?}")),
        }
    }
}
