//! Tests of the store: a life without trouble, each step failing, each step
//! being the last of its process, several callers, and mounts.

mod boots;
mod borrow;
mod callers;
mod care;
mod failing;
mod killing;
mod life;
mod measure;
mod mounting;
mod roots;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::Path;

use graphdriver_api::{Base, DraftId, ErrorKind, LayerId, NodeId, NodeRef, Op, Result};
use rustix::fs::Mode;
use serde_json::{Value, json};

use super::*;

pub(super) const LAYOUT: Layout =
    Layout { driver: "test", version: 3, max_depth: NonZeroU32::new(4), own: &["mine"] };

/// A directory in memory, if the host has such, where a flush costs nothing:
/// for what is done some hundred times.
pub(super) fn fast_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(super) fn open(root: &Path) -> NodeStore {
    NodeStore::open(root, LAYOUT).unwrap()
}

pub(super) fn draft(id: &str) -> DraftId {
    DraftId::new(id).unwrap()
}

pub(super) fn layer(id: &str) -> LayerId {
    LayerId::new(id).unwrap()
}

/// Makes a draft whose tree has one file with the draft's name in it.
pub(super) fn prepare(store: &NodeStore, id: &str, base: Base<'_>) -> Result<()> {
    make(store, id, base, false)
}

/// The same for this boot only.
pub(super) fn prepare_volatile(store: &NodeStore, id: &str, base: Base<'_>) -> Result<()> {
    make(store, id, base, true)
}

fn make(store: &NodeStore, id: &str, base: Base<'_>, volatile: bool) -> Result<()> {
    let id = draft(id);
    let making = store.begin(Op::Prepare, &id, base, Kind::Draft)?.volatile(volatile);
    let fill = || -> std::io::Result<()> {
        rustix::fs::mkdirat(making.dir(), "tree", Mode::RWXU)?;
        write(making.dir(), "tree/name", id.as_str())
    };
    fill().map_err(|e| graphdriver_api::Error::io(Op::Prepare, "fill", e))?;
    making.publish(&json!({ "made": id.as_str() }))
}

pub(super) fn view(store: &NodeStore, id: &str, base: &str) -> Result<()> {
    store.begin(Op::View, &draft(id), Base::Layer(&layer(base)), Kind::View)?.publish(&Value::Null)
}

pub(super) fn unpack(store: &NodeStore, id: &str) -> Result<()> {
    store.unpack(&draft(id), |node| {
        let written = write(node.dir(), "tree/unpacked", id);
        written.map_err(|e| graphdriver_api::Error::io(Op::Apply, "unpack", e))
    })
}

pub(super) fn commit(store: &NodeStore, from: &str, to: &str, onto: Option<&str>) -> Result<()> {
    let onto = onto.map(layer);
    store.commit(&draft(from), &layer(to), onto.as_ref(), |node| Ok(node.record().private.clone()))
}

pub(super) fn write(dir: impl AsFd, name: &str, text: &str) -> std::io::Result<()> {
    disk::write_file(dir, name, text.as_bytes(), false)
}

/// What the store shows: each node with its parent, and whether it unpacks.
pub(super) type Shown = BTreeMap<String, (Option<String>, bool)>;

pub(super) fn shown(store: &NodeStore) -> Shown {
    let parent = |parent: Option<LayerId>| parent.map(|id| id.to_string());
    let infos = store.list().unwrap();
    infos.into_iter().map(|i| (i.id.to_string(), (parent(i.parent), i.unpacking))).collect()
}

pub(super) fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// Removes everything, children first, and finds nothing left anywhere.
pub(super) fn remove_all(store: &NodeStore, root: &Path) {
    let mut nodes = store.list().unwrap();
    // A draft is never beneath anything, and a layer's parent is less deep.
    nodes.sort_by_key(|n| (matches!(n.id, NodeId::Layer(_)), std::cmp::Reverse(n.depth)));
    for node in nodes {
        store.remove(node.id.as_ref()).unwrap();
    }
    store.reclaim().unwrap();
    for shelf in ["making", "drafts", "layers", "mounts", "tickets", "trash"] {
        let left: Vec<_> = std::fs::read_dir(root.join(shelf)).unwrap().collect();
        assert!(left.is_empty(), "{shelf}: {left:?}");
    }
}

/// A life in steps, each one call of the contract.
pub(super) const STEPS: &[fn(&NodeStore) -> Result<()>] = &[
    |s| prepare(s, "a", Base::Scratch),
    |s| unpack(s, "a"),
    |s| commit(s, "a", "A", None),
    |s| prepare(s, "b", Base::Layer(&layer("A"))),
    |s| commit(s, "b", "B", None),
    |s| prepare_volatile(s, "c", Base::Deferred),
    |s| unpack(s, "c"),
    |s| commit(s, "c", "C", Some("B")),
    |s| view(s, "v", "C"),
    |s| prepare(s, "d", Base::Layer(&layer("C"))),
    |s| s.remove(NodeRef::from(&draft("d"))),
    |s| s.remove(NodeRef::from(&draft("v"))),
    |s| s.remove(NodeRef::from(&layer("C"))),
    |s| s.reclaim().map(drop),
];

/// What the store shows before the first step, and after each.
pub(super) fn states() -> Vec<Shown> {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut states = vec![shown(&store)];
    for step in STEPS {
        step(&store).unwrap();
        states.push(shown(&store));
    }
    states
}

/// Whether a state is one that a step cut off there may leave.
pub(super) fn cut_off(states: &[Shown], step: usize, found: &Shown) -> bool {
    let mut unpacking = states[step].clone();
    for name in ["draft a", "draft c"] {
        if let (true, Some(draft)) = ([1, 6].contains(&step), unpacking.get_mut(name)) {
            draft.1 = true;
        }
    }
    [&states[step], &states[step + 1], &unpacking].contains(&found)
}

/// That every layer has what was put in it, and every node its parent.
pub(super) fn check_layers(store: &NodeStore, root: &Path) {
    for info in store.list().unwrap() {
        let node = store.get(Op::Stat, info.id.as_ref()).unwrap();
        store.chain(Op::Stat, &node).unwrap();
        if let NodeId::Layer(id) = &info.id {
            let tree = root.join("layers").join(id.as_str()).join("tree");
            let name = id.as_str().to_lowercase();
            assert_eq!(std::fs::read_to_string(tree.join("name")).unwrap(), name);
            assert_eq!(tree.join("unpacked").try_exists().unwrap(), name != "b");
        }
    }
}
