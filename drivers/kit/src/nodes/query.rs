//! Looking at nodes. Nothing here waits for a writer or takes a lock.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use graphdriver_api::{
    DraftId, Error, ErrorKind, LayerId, MountState, NodeId, NodeInfo, NodeKind, NodeRef, Op, Result,
};
use serde::de::DeserializeOwned;

use super::boot::Lasts;
use super::call::Call;
use super::record::{self, Record};
use super::{Layout, Lender, NodeStore, boot, disk, lock, mounted, ticket, unpack};

/// A node that was found: its directory and its record.
///
/// It holds no lock. The descriptor stays that of this node, also when it is
/// committed, or removed and another of its name is made.
#[derive(Debug)]
pub struct Node {
    layout: Layout,
    id: NodeId,
    dir: OwnedFd,
    record: Record,
}

impl Node {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> NodeRef<'_> {
        self.id.as_ref()
    }

    /// Its directory, in which the driver keeps what it likes beside the
    /// store's own files.
    #[must_use]
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Its record.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Whether it is a draft for this boot only.
    ///
    /// Cost: two system calls or three.
    ///
    /// # Errors
    /// Its directory can't be read.
    pub fn is_volatile(&self) -> std::io::Result<bool> {
        Ok(boot::lasts(&self.dir)? != Lasts::Always)
    }

    /// Where it was borrowed from, and as what.
    #[must_use]
    pub fn lender(&self) -> Option<(&Path, &LayerId)> {
        match (&self.record.lender, &self.id) {
            (Some(lender), NodeId::Layer(id)) => Some((lender, id)),
            _ => None,
        }
    }

    /// Opens a directory that the driver keeps in it, never through a symbolic
    /// link; of a borrowed layer, in the lender.
    ///
    /// # Errors
    /// `Corrupt` if it isn't there: the driver put it there before the node
    /// could be seen. Those of [`Lender`].
    pub fn open_dir(&self, driver: &'static str, op: Op, name: &str) -> Result<OwnedFd> {
        let call = Call { driver, op, node: Some(self.id()) };
        if let Some((lender, id)) = self.lender() {
            return Lender::open(op, &self.layout, lender, id)?.tree(id, name);
        }
        match disk::find_dir(&self.dir, name).map_err(call.io("open the node's tree"))? {
            Some(dir) => Ok(dir),
            None => {
                Err(call.fail(ErrorKind::Corrupt, format!("its directory {name:?} is missing")))
            }
        }
    }

    /// What the driver keeps in the record.
    ///
    /// # Errors
    /// `Corrupt` if it isn't of that form.
    pub fn private<T: DeserializeOwned>(&self, driver: &'static str, op: Op) -> Result<T> {
        T::deserialize(&self.record.private).map_err(|e| {
            let call = Call { driver, op, node: Some(self.id()) };
            call.fail(ErrorKind::Corrupt, "the driver's part of its record can't be read")
                .with_source(e)
        })
    }
}

impl NodeStore {
    /// Finds a node.
    ///
    /// Cost: its record.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` if its record is missing or can't be read.
    pub fn get(&self, op: Op, node: NodeRef<'_>) -> Result<Node> {
        self.find(op, node)?.ok_or_else(|| self.call(op, node).fail(ErrorKind::NotFound, ""))
    }

    /// As [`get`](Self::get); `None` if the node isn't there.
    ///
    /// # Errors
    /// `Corrupt` if its record is missing or can't be read.
    pub fn find(&self, op: Op, node: NodeRef<'_>) -> Result<Option<Node>> {
        let call = self.call(op, node);
        let dir = disk::find_dir(self.shelf(node), node.as_str());
        let Some(dir) = dir.map_err(call.io("open the node's directory"))? else {
            return Ok(None);
        };
        let file = disk::find_file(&dir, record::file_name(node));
        let Some(file) = file.map_err(call.io("open the node's record"))? else {
            let missing = self.missing_record(call, node, &dir);
            return if missing.kind() == ErrorKind::NotFound { Ok(None) } else { Err(missing) };
        };
        let record = match parse(call, node, &file) {
            Err(e) if e.kind() == ErrorKind::Corrupt => {
                let lost = boot::is_lost(node, &dir).map_err(call.io("look at the draft"))?;
                return if lost { Ok(None) } else { Err(e) };
            }
            record => record?,
        };
        Ok(Some(Node { layout: self.layout, id: node.to_owned(), dir, record }))
    }

    /// A node without a record was removed and reclaimed since we opened it, or
    /// else is damaged.
    pub(super) fn missing_record(
        &self,
        call: Call<'_>,
        node: NodeRef<'_>,
        dir: impl AsFd,
    ) -> Error {
        match self.stands(node, dir) {
            Ok(true) => call.fail(ErrorKind::Corrupt, "its record is missing"),
            Ok(false) => call.fail(ErrorKind::NotFound, ""),
            Err(e) => call.io("look for the node")(e),
        }
    }

    /// Whether `dir` is still the directory of the node of that id.
    pub(super) fn stands(&self, node: NodeRef<'_>, dir: impl AsFd) -> std::io::Result<bool> {
        match disk::find_dir(self.shelf(node), node.as_str())? {
            Some(now) => disk::same_file(now, dir),
            None => Ok(false),
        }
    }

    /// As [`GraphDriver::stat`](graphdriver_api::GraphDriver::stat).
    ///
    /// # Errors
    /// As there.
    pub fn stat(&self, node: NodeRef<'_>) -> Result<NodeInfo> {
        let call = self.call(Op::Stat, node);
        self.info(call, node)?.ok_or_else(|| call.fail(ErrorKind::NotFound, ""))
    }

    fn info(&self, call: Call<'_>, node: NodeRef<'_>) -> Result<Option<NodeInfo>> {
        let path = format!("{}/{}", node.as_str(), record::file_name(node));
        let file = disk::find_file(self.shelf(node), &path);
        let Some(file) = file.map_err(call.io("open the node's record"))? else {
            // One look-up finds nearly every node; why this one wasn't found is
            // for `find` to say, and it may have come only now.
            return match self.find(call.op, node)? {
                Some(_) => self.info(call, node),
                None => Ok(None),
            };
        };
        let record = match parse(call, node, &file) {
            Err(e) if e.kind() == ErrorKind::Corrupt => {
                return self.find(call.op, node)?.map_or(Ok(None), |_| Err(e));
            }
            record => record?,
        };
        let (mount, unpacking) = match node {
            NodeRef::Draft(id) => (
                self.mount_state(call, id, &file)?,
                unpack::is_unpacking(self.drafts.as_fd(), id)
                    .map_err(call.io("look whether it is unpacking"))?,
            ),
            NodeRef::Layer(_) => (MountState::Unmounted, false),
        };
        Ok(Some(NodeInfo {
            id: node.to_owned(),
            kind: NodeKind::from(record.kind),
            parent: record.parent,
            depth: record.depth,
            created: record.created,
            mount,
            unpacking,
            lender: record.lender,
        }))
    }

    /// Whether the draft is mounted, told by its locks, its ticket and, should
    /// a mount have lost its holder, by the mount itself.
    fn mount_state(
        &self,
        call: Call<'_>,
        id: &DraftId,
        record: &std::fs::File,
    ) -> Result<MountState> {
        if lock::is_held(record, lock::MOUNTED).map_err(call.io("look for a mount"))? {
            return Ok(MountState::Held);
        }
        if let Some(ticket) = ticket::read(self, call, id)? {
            return Ok(MountState::Persisted(ticket));
        }
        match mounted::stands(self, id).map_err(call.io("look for a mount"))? {
            true => Ok(MountState::Held),
            false => Ok(MountState::Unmounted),
        }
    }

    /// As [`GraphDriver::list`](graphdriver_api::GraphDriver::list).
    ///
    /// # Errors
    /// As there.
    pub fn list(&self) -> Result<Vec<NodeInfo>> {
        let mut all =
            self.list_shelf(self.drafts.as_fd(), |id| DraftId::new(id).map(NodeId::Draft))?;
        all.extend(self.list_shelf(self.layers.as_fd(), |id| LayerId::new(id).map(NodeId::Layer))?);
        Ok(all)
    }

    fn list_shelf(
        &self,
        shelf: BorrowedFd<'_>,
        id: impl Fn(&str) -> Result<NodeId, graphdriver_api::IdError>,
    ) -> Result<Vec<NodeInfo>> {
        let call = self.bare_call(Op::List);
        let mut names = disk::names(shelf).map_err(call.io("read the directory of nodes"))?;
        names.sort();
        let mut infos = Vec::with_capacity(names.len());
        for name in names {
            let id = name.to_str().and_then(|name| id(name).ok()).ok_or_else(|| {
                let message = format!("{name:?} lies among the nodes and isn't one");
                call.fail(ErrorKind::Corrupt, message)
            })?;
            let call = self.call(Op::List, id.as_ref());
            match (self.info(call, id.as_ref())?, &id) {
                (Some(info), _) => infos.push(info),
                // It has gone since the directory was read, or was lost.
                (None, NodeId::Draft(id)) => {
                    boot::discard_lost(self, id).map_err(call.io("set a lost draft aside"))?;
                }
                (None, NodeId::Layer(_)) => {}
            }
        }
        Ok(infos)
    }

    /// The layers beneath a node, the nearest first.
    ///
    /// They stay while the node does. Cost: a record a layer.
    ///
    /// # Errors
    /// `Corrupt` names the layer that is missing or can't be read.
    pub fn chain(&self, op: Op, node: &Node) -> Result<Vec<Node>> {
        let mut chain: Vec<Node> = Vec::new();
        let mut next = node.record.parent.clone();
        let mut below = node.record.depth.saturating_sub(u32::from(is_layer(node)));
        while let Some(id) = next.take() {
            let call = self.call(op, &id);
            let layer = self.find(op, (&id).into())?.ok_or_else(|| {
                call.fail(
                    ErrorKind::Corrupt,
                    format!("it is missing, and {} stands on it", node.id),
                )
            })?;
            // Depths fall by one on the way down, so a circle ends here.
            if layer.record.depth != below {
                return Err(call.fail(ErrorKind::Corrupt, "its depth contradicts its child's"));
            }
            below = below.saturating_sub(1);
            next.clone_from(&layer.record.parent);
            chain.push(layer);
        }
        Ok(chain)
    }

    /// Removed nodes that [`reclaim`](Self::reclaim) has yet to delete.
    ///
    /// # Errors
    /// `Io` if that can't be found out.
    pub fn awaiting_reclaim(&self) -> Result<u64> {
        let names = disk::names(&self.trash);
        Ok(names.map_err(self.bare_call(Op::Status).io("read the trash"))?.len() as u64)
    }

    /// The path of a node's directory on the host, for whoever mounts from
    /// another mount namespace. The store itself never resolves it.
    #[must_use]
    pub fn path_of(&self, node: NodeRef<'_>) -> PathBuf {
        self.path.join(beneath(node))
    }

    /// The same of a directory that the driver keeps in it, which for a borrowed
    /// layer is in the lender.
    ///
    /// # Errors
    /// As [`get`](Self::get), and those of [`Lender`].
    pub fn path_in(&self, op: Op, node: NodeRef<'_>, name: &str) -> Result<PathBuf> {
        let found = self.get(op, node)?;
        match found.lender() {
            Some((lender, _)) => {
                drop(found.open_dir(self.layout.driver, op, name)?);
                Ok(lender.join(beneath(node)).join(name))
            }
            None => Ok(self.path_of(node).join(name)),
        }
    }
}

/// A node's directory, relative to its root.
pub(super) fn beneath(node: NodeRef<'_>) -> PathBuf {
    let shelf = match node {
        NodeRef::Draft(_) => "drafts",
        NodeRef::Layer(_) => "layers",
    };
    Path::new(shelf).join(node.as_str())
}

fn is_layer(node: &Node) -> bool {
    matches!(node.id, NodeId::Layer(_))
}

fn parse(call: Call<'_>, node: NodeRef<'_>, file: &std::fs::File) -> Result<Record> {
    let bytes = disk::read_all(file).map_err(call.io("read the node's record"))?;
    Record::parse(node, &bytes)
        .map_err(|why| call.fail(ErrorKind::Corrupt, format!("its record can't be read: {why}")))
}
