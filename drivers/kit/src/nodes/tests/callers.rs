//! Several callers at once: threads with stores of their own stand for
//! processes, because every lock belongs to a descriptor.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use rustix::io::Errno;

use super::*;
use crate::fault::{Failure, inject};

#[test]
fn a_draft_that_is_being_made_is_nobodys_yet() {
    let dir = fast_dir();
    let (store, other) = (open(dir.path()), open(dir.path()));
    prepare(&store, "a", Base::Scratch).unwrap();
    commit(&store, "a", "A", None).unwrap();
    let base = layer("A");
    let making = store.begin(Op::Prepare, &draft("b"), Base::Layer(&base), Kind::Draft).unwrap();
    assert_eq!(kind(other.stat((&draft("b")).into())), ErrorKind::NotFound);
    assert_eq!(kind(prepare(&other, "b", Base::Scratch)), ErrorKind::Busy);
    assert_eq!(kind(other.remove((&base).into())), ErrorKind::HasChildren);
    // A store that is opened meanwhile leaves it alone.
    assert_eq!(open(dir.path()).recovered().half_made, 0);
    making.publish(&Value::Null).unwrap();
    assert!(other.stat((&draft("b")).into()).is_ok());
    let making = store.begin(Op::Prepare, &draft("c"), Base::Layer(&base), Kind::Draft).unwrap();
    drop(making);
    assert_eq!(kind(other.stat((&draft("c")).into())), ErrorKind::NotFound);
    other.remove((&draft("b")).into()).unwrap();
    other.remove((&base).into()).unwrap();
    remove_all(&store, dir.path());
}

#[test]
fn one_caller_at_a_time_and_any_number_of_readers() {
    let dir = fast_dir();
    let (store, other) = (open(dir.path()), open(dir.path()));
    prepare(&store, "a", Base::Scratch).unwrap();
    let (a, id) = (draft("a"), NodeId::Draft(draft("a")));
    for purpose in [Use::Mount, Use::Change] {
        let lease = store.lease(Op::Mount, &a, purpose).unwrap();
        assert_eq!(kind(other.lease(Op::Mount, &a, Use::Mount)), ErrorKind::Busy);
        assert_eq!(kind(other.lease(Op::Apply, &a, Use::Change)), ErrorKind::Busy);
        assert_eq!(kind(other.remove(id.as_ref())), ErrorKind::Busy);
        assert_eq!(kind(other.check_mountable(Op::Plan, &a)), ErrorKind::Busy);
        let state = other.stat(id.as_ref()).unwrap().mount;
        assert_eq!(state == graphdriver_api::MountState::Held, purpose == Use::Mount);
        assert!(other.read(Op::Diff, id.as_ref()).is_ok());
        drop(lease);
        assert!(other.check_mountable(Op::Plan, &a).is_ok());
    }
    let readers = [other.read(Op::Diff, id.as_ref()), store.read(Op::Diff, id.as_ref())];
    assert!(store.lease(Op::Mount, &a, Use::Mount).is_ok());
    assert_eq!(kind(store.remove(id.as_ref())), ErrorKind::Busy);
    // Who reads a draft reads the layer that it becomes.
    commit(&store, "a", "A", None).unwrap();
    assert_eq!(kind(store.remove((&layer("A")).into())), ErrorKind::Busy);
    drop(readers);
    store.remove((&layer("A")).into()).unwrap();
}

#[test]
fn links_that_lead_nowhere_dont_keep_a_layer() {
    let dir = fast_dir();
    let store = open(dir.path());
    prepare(&store, "a", Base::Scratch).unwrap();
    commit(&store, "a", "A", None).unwrap();
    prepare(&store, "b", Base::Scratch).unwrap();
    let node = store.get(Op::Remove, (&layer("A")).into()).unwrap();
    for stale in [NodeRef::from(&draft("b")), (&draft("gone")).into(), (&layer("gone")).into()] {
        children::link(node.dir(), stale).unwrap();
    }
    store.remove((&layer("A")).into()).unwrap();
    assert!(store.stat((&draft("b")).into()).is_ok());
}

#[test]
fn of_many_callers_one_wins() {
    let dir = fast_dir();
    prepare(&open(dir.path()), "base", Base::Scratch).unwrap();
    commit(&open(dir.path()), "base", "base", None).unwrap();
    for round in 0..20 {
        let wins = AtomicUsize::new(0);
        let barrier = Barrier::new(4);
        let base = layer("base");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let store = open(dir.path());
                    barrier.wait();
                    let made = prepare(&store, "d", Base::Layer(&base));
                    wins.fetch_add(usize::from(made.is_ok()), Ordering::Relaxed);
                    if let Err(e) = made {
                        let expected = [ErrorKind::Busy, ErrorKind::AlreadyExists];
                        assert!(expected.contains(&e.kind()), "{}", e.report());
                    }
                    barrier.wait();
                    let done = match round % 2 {
                        0 => commit(&store, "d", "L", None),
                        _ => store.remove((&draft("d")).into()),
                    };
                    let fine = [ErrorKind::Busy, ErrorKind::NotFound];
                    assert!(
                        done.as_ref().err().is_none_or(|e| fine.contains(&e.kind())),
                        "{done:?}"
                    );
                });
            }
        });
        assert_eq!(wins.into_inner(), 1, "round {round}");
        let store = open(dir.path());
        store.remove((&layer("L")).into()).unwrap();
        assert_eq!(shown(&store).len(), 1);
    }
    remove_all(&open(dir.path()), dir.path());
}

/// The worst for links: the last child goes and the next comes, while somebody
/// tries to remove the layer.
#[test]
fn a_layer_never_loses_its_last_child_unseen() {
    let dir = fast_dir();
    let base = layer("base");
    let stores: Vec<_> = (0..3).map(|_| Arc::new(open(dir.path()))).collect();
    for _ in 0..50 {
        if prepare(&stores[0], "base", Base::Scratch).is_ok() {
            commit(&stores[0], "base", "base", None).unwrap();
        }
        std::thread::scope(|scope| {
            for store in &stores[1..] {
                scope.spawn(|| {
                    for _ in 0..5 {
                        drop(prepare(store, "d", Base::Layer(&base)));
                        drop(store.remove((&draft("d")).into()));
                    }
                    drop(prepare(store, "d", Base::Layer(&base)));
                });
            }
            scope.spawn(|| {
                while stores[0].remove((&base).into()).is_err() {
                    if stores[0].stat((&draft("d")).into()).is_ok() {
                        break;
                    }
                }
            });
        });
        let nodes = shown(&stores[0]);
        let child = nodes.contains_key("draft d");
        assert!(!child || nodes.contains_key("layer base"), "{nodes:?}");
        for info in stores[0].list().unwrap() {
            drop(stores[0].remove(info.id.as_ref()));
        }
        for info in stores[0].list().unwrap() {
            stores[0].remove(info.id.as_ref()).unwrap();
        }
    }
    remove_all(&stores[0], dir.path());
}

/// A removal that can't be flushed is taken back, whole, whoever deletes what
/// was removed meanwhile.
#[test]
fn what_is_not_yet_removed_for_good_is_not_deleted() {
    let dir = fast_dir();
    let (store, other) = (open(dir.path()), open(dir.path()));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                other.reclaim().unwrap();
            }
        });
        let lives = || -> std::io::Result<()> {
            for _ in 0..300 {
                prepare(&store, "a", Base::Scratch).map_err(std::io::Error::other)?;
                let injection = inject("nodes.disk.fsync-dir", 1, Failure::Errno(Errno::IO));
                let failed = store.remove((&draft("a")).into());
                drop(injection);
                if failed.is_ok() {
                    return Err(std::io::Error::other("it was flushed"));
                }
                std::fs::read(dir.path().join("drafts/a/tree/name"))?;
                // Who came to delete it may still hold it.
                let again = || store.remove((&draft("a")).into());
                while again().is_err_and(|e| e.kind() == ErrorKind::Busy) {}
            }
            Ok(())
        };
        let lived = lives();
        done.store(true, Ordering::Relaxed);
        lived.unwrap();
    });
    remove_all(&store, dir.path());
}
