//! The nodes that the kernel knows.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustix::io::Errno;

use super::{Devices, Id, Identity, Lasting, Lower, Node, ROOT};
use crate::layer::Kind;
use crate::{Result, lock};

/// How many locks share the work.
const SHARDS: usize = 64;

/// Nodes by number, and numbers by file.
#[derive(Debug)]
pub(crate) struct Table {
    shards: Vec<Mutex<HashMap<Id, Arc<Node>>>>,
    devices: Devices,
    /// Files whose number isn't made of their own: what was copied up keeps the
    /// number that it had, and some have no number of their own to give.
    odd: Mutex<HashMap<Identity, Id>>,
    given: AtomicU64,
}

impl Table {
    /// With nothing but the root in it.
    pub(crate) fn new(root: Arc<Node>) -> Self {
        let table = Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            devices: Devices::default(),
            odd: Mutex::default(),
            given: AtomicU64::new(1),
        };
        // Never forgotten: the protocol counts no look-up of the root.
        root.told();
        lock(table.shard(ROOT)).insert(ROOT, root);
        table
    }

    /// The node of that number. The kernel only asks for those that it was told
    /// of; `ESTALE` says that this one is none of them.
    pub(crate) fn get(&self, id: Id) -> Result<Arc<Node>> {
        lock(self.shard(id)).get(&id).cloned().ok_or(Errno::STALE)
    }

    /// The node of a file that the kernel is about to be told of, made by
    /// `make` if it isn't known.
    ///
    /// `same` says of a known node whether it is that file: a mark of the layers
    /// may say of two that they come from one, and nobody vouches for marks.
    pub(crate) fn meet(
        &self,
        file: Lasting,
        same: impl Fn(&Node) -> bool,
        make: impl FnOnce(Id) -> Node,
    ) -> Arc<Node> {
        let id = self.id(file);
        let mut nodes = lock(self.shard(id));
        if let Some(known) = nodes.get(&id).filter(|known| same(known)) {
            known.told();
            return known.clone();
        }
        let id = if nodes.contains_key(&id) {
            drop(nodes);
            let id = self.give(file.now);
            nodes = lock(self.shard(id));
            id
        } else {
            id
        };
        let node = Arc::new(make(id));
        node.told();
        nodes.insert(id, node.clone());
        node
    }

    /// Has a node stay for as long as the union is there.
    pub(crate) fn keep(&self, node: &Node) {
        let _nodes = lock(self.shard(node.id));
        node.told();
    }

    /// The node of that file, if the kernel knows it.
    pub(crate) fn known(&self, file: Lasting) -> Option<Arc<Node>> {
        let id = self.id(file);
        lock(self.shard(id)).get(&id).cloned()
    }

    /// The number that a file has, or would have.
    pub(crate) fn id(&self, file: Lasting) -> Id {
        let odd = lock(&self.odd).get(&file.now).copied();
        odd.or_else(|| self.devices.id(file.origin)).unwrap_or_else(|| self.give(file.now))
    }

    fn give(&self, file: Identity) -> Id {
        let id = Devices::given(self.given.fetch_add(1, Ordering::Relaxed));
        lock(&self.odd).insert(file, id);
        id
    }

    /// `file` is `node`'s from now on: it was copied up, or made for it.
    pub(crate) fn alias(&self, file: Identity, node: &Node) {
        if self.devices.id(file) != Some(node.id) {
            lock(&self.odd).insert(file, node.id);
        }
    }

    /// `file` is gone; another may get its number.
    pub(crate) fn unalias(&self, file: Identity) {
        lock(&self.odd).remove(&file);
    }

    /// The kernel has told that it forgets `times` of the look-ups that it was
    /// answered; whether that were all.
    pub(crate) fn forget(&self, id: Id, times: u64) -> bool {
        let mut nodes = lock(self.shard(id));
        let gone = id != ROOT && nodes.get(&id).is_some_and(|node| node.forgotten(times));
        let node = if gone { nodes.remove(&id) } else { None };
        drop(nodes);
        // Outside of the lock: with it may go the directories above.
        drop(node);
        gone
    }

    /// How many nodes there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn shard(&self, id: Id) -> &Mutex<HashMap<Id, Arc<Node>>> {
        #[allow(clippy::cast_possible_truncation, reason = "any bits will do")]
        let bits = (id ^ (id >> SHARDS.trailing_zeros())) as usize;
        &self.shards[bits % SHARDS]
    }
}

/// What a node is of that was never seen before.
pub(crate) fn root(upper: bool, lower: Lower) -> Arc<Node> {
    Arc::new(Node::new(ROOT, Kind::Directory, None, upper.then_some(0), lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::new(root(true, Lower::Nothing))
    }

    fn file(ino: u64) -> Identity {
        Identity { dev: 7, ino }
    }

    fn meet(table: &Table, ino: u64) -> Arc<Node> {
        let make = |id| Node::new(id, Kind::File, None, Some(ino), Lower::Nothing);
        table.meet(file(ino).into(), |known| known.kind == Kind::File, make)
    }

    #[test]
    fn a_node_is_known_until_it_was_forgotten_as_often_as_it_was_told() {
        let table = table();
        let node = meet(&table, 100);
        assert!(Arc::ptr_eq(&node, &meet(&table, 100)));
        assert!(Arc::ptr_eq(&node, &table.get(node.id).unwrap()));
        table.forget(node.id, 1);
        assert!(table.get(node.id).is_ok());
        table.forget(node.id, 1);
        assert_eq!(table.get(node.id).unwrap_err(), Errno::STALE);
        table.forget(node.id, 1);
        assert_eq!(table.len(), 1, "the root");
    }

    #[test]
    fn the_root_is_never_forgotten() {
        let table = table();
        table.forget(ROOT, u64::MAX);
        assert!(table.get(ROOT).is_ok());
    }

    #[test]
    fn what_was_copied_up_keeps_its_number() {
        let table = table();
        let lower = meet(&table, 100);
        table.alias(file(200), &lower);
        assert!(Arc::ptr_eq(&lower, &meet(&table, 200)));
        table.unalias(file(200));
        assert_eq!(meet(&table, 200).id, 200);
    }

    #[test]
    fn a_number_stands_for_one_type() {
        let table = table();
        let node = meet(&table, 100);
        let make = |id| Node::new(id, Kind::Fifo, None, Some(100), Lower::Nothing);
        let other = table.meet(file(100).into(), |known| known.kind == Kind::Fifo, make);
        assert_ne!(node.id, other.id);
        assert!(table.get(node.id).is_ok() && table.get(other.id).is_ok());
    }
}
