//! Every point of a node's life fails once, with EIO and with ENOSPC: the error
//! says so, nothing has changed, and everything can still be removed. Needs
//! root; mounts are made in private mount namespaces.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use graphdriver_api::{
    Base, DraftId, DraftSpec, DriverFactory, DriverOptions, ErrorKind, GraphDriver, LayerId,
    Limits, MountRequest, NodeId, NodeRef, Result,
};
use rustix::io::Errno;
use sapwood_driver_vfs::VfsFactory;
use sapwood_kit::fault::{Failure, inject};
use sapwood_kit::mount::in_private_namespace;

type Driver = Arc<dyn GraphDriver>;

fn open(root: &Path) -> Driver {
    VfsFactory.open(root, &DriverOptions::default()).unwrap()
}

fn draft(id: &str) -> DraftId {
    DraftId::new(id).unwrap()
}

fn layer(id: &str) -> LayerId {
    LayerId::new(id).unwrap()
}

/// A directory, a file in it, a second name of that file, and a symbolic link.
fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |kind: tar::EntryType, path: &str, target: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        if target.is_empty() {
            tar.append_data(&mut header, path, content).unwrap();
        } else {
            tar.append_link(&mut header, path, target).unwrap();
        }
    };
    add(tar::EntryType::Directory, "dir", "", b"");
    add(tar::EntryType::Regular, "dir/file", "", b"content");
    add(tar::EntryType::Link, "same", "dir/file", b"");
    add(tar::EntryType::Symlink, "link", "dir/file", b"");
    tar.into_inner().unwrap()
}

type Step = fn(&Driver) -> Result<()>;

/// A life in calls of the contract.
const STEPS: &[Step] = &[
    |d| d.prepare(&draft("a"), Base::Scratch, &DraftSpec::default()),
    |d| d.apply(&draft("a"), &mut archive().as_slice(), &Limits::default()).map(drop),
    |d| d.commit(&draft("a"), &layer("A"), None),
    |d| d.prepare(&draft("b"), Base::Layer(&layer("A")), &DraftSpec::default()),
    |d| d.mount(&draft("b"), &MountRequest::default())?.unmount(),
    |d| d.diff(NodeRef::from(&draft("b")), &mut Vec::new()).map(drop),
    |d| d.commit(&draft("b"), &layer("B"), None),
    |d| d.view(&draft("v"), &layer("B")),
    |d| d.mount(&draft("v"), &MountRequest::default())?.unmount(),
    |d| d.remove((&draft("v")).into()),
    |d| d.remove((&layer("B")).into()),
    |d| d.reclaim().map(drop),
];

const APPLY: usize = 1;

/// The nodes, and those among them that are unpacking.
fn shown(driver: &Driver) -> BTreeSet<(NodeId, bool)> {
    driver.list().unwrap().into_iter().map(|info| (info.id, info.unpacking)).collect()
}

fn states(root: &Path) -> Vec<BTreeSet<(NodeId, bool)>> {
    let driver = open(root);
    let mut states = vec![shown(&driver)];
    for step in STEPS {
        step(&driver).unwrap();
        states.push(shown(&driver));
    }
    states
}

fn points(root: &Path) -> usize {
    let driver = open(root);
    let counting = inject("", 0, Failure::None);
    STEPS.iter().for_each(|step| step(&driver).unwrap());
    counting.passed().len()
}

/// The step that failed with the nth point failing, and its error's kind.
fn live(driver: &Driver, nth: usize, errno: Errno) -> Option<(usize, ErrorKind)> {
    let _injection = inject("", nth, Failure::Errno(errno));
    STEPS.iter().enumerate().find_map(|(n, step)| Some((n, step(driver).err()?.kind())))
}

fn remove_all(driver: &Driver) {
    let mut nodes = driver.list().unwrap();
    nodes.sort_by_key(|n| (matches!(n.id, NodeId::Layer(_)), std::cmp::Reverse(n.depth)));
    nodes.iter().for_each(|node| driver.remove(node.id.as_ref()).unwrap());
    driver.reclaim().unwrap();
    assert_eq!(driver.status().unwrap().awaiting_reclaim, 0);
    assert!(driver.list().unwrap().is_empty());
}

#[test]
fn a_failing_call_has_changed_nothing() {
    let fast = || tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    in_private_namespace(|| {
        let (states, points) = (states(fast().path()), points(fast().path()));
        assert!(points > 60, "{points}");
        for (nth, errno, kind) in (1..=points).flat_map(|nth| {
            [(nth, Errno::IO, ErrorKind::Io), (nth, Errno::NOSPC, ErrorKind::NoSpace)]
        }) {
            let dir = fast();
            let driver = open(dir.path());
            let failed = live(&driver, nth, errno);
            let found = shown(&driver);
            match failed {
                None => assert_eq!(found, states[STEPS.len()], "point {nth}"),
                Some((step, found_kind)) => {
                    assert_eq!(found_kind, kind, "point {nth}, step {step}");
                    let mut expected = states[step].clone();
                    if step == APPLY && found != expected {
                        expected = BTreeSet::from([(NodeId::Draft(draft("a")), true)]);
                    }
                    assert_eq!(found, expected, "point {nth}, step {step}");
                }
            }
            drop(driver);
            let driver = open(dir.path());
            assert_eq!(shown(&driver), found, "point {nth}, opened again");
            remove_all(&driver);
        }
        Ok(())
    })
    .unwrap();
}
