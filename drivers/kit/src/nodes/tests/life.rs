//! What the contract says of each call, without trouble.

use graphdriver_api::{MountState, NodeKind};

use super::*;

#[test]
fn a_life_in_steps_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for step in STEPS {
        step(&store).unwrap();
        check_layers(&store, dir.path());
    }
    let expected = [("layer A", None), ("layer B", Some("A"))];
    let expected = expected.map(|(id, parent)| (id.to_owned(), (parent.map(str::to_owned), false)));
    assert_eq!(shown(&store), Shown::from(expected));
    remove_all(&store, dir.path());
}

#[test]
fn a_node_is_as_it_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let before = std::time::SystemTime::now();
    prepare(&store, "a", Base::Scratch).unwrap();
    let info = store.stat((&draft("a")).into()).unwrap();
    assert_eq!((info.kind, info.depth, info.parent), (NodeKind::Draft, 0, None));
    assert_eq!((info.mount, info.unpacking), (MountState::Unmounted, false));
    assert!(info.created >= before);
    commit(&store, "a", "A", None).unwrap();
    let made = store.stat((&layer("A")).into()).unwrap();
    assert_eq!((made.kind, made.depth), (NodeKind::Layer, 1));
    assert!(made.created >= info.created);
    assert_eq!(kind(store.stat((&draft("a")).into())), ErrorKind::NotFound);
    view(&store, "a", "A").unwrap();
    let info = store.stat((&draft("a")).into()).unwrap();
    assert_eq!((info.kind, info.depth, info.parent), (NodeKind::View, 1, Some(layer("A"))));
    let node = store.get(Op::Stat, (&layer("A")).into()).unwrap();
    let private: Value = node.private("test", Op::Stat).unwrap();
    assert_eq!(private, json!({ "made": "a" }));
    assert_eq!(kind(node.private::<Vec<u8>>("test", Op::Stat)), ErrorKind::Corrupt);
    // A second store on the same root sees the same.
    assert_eq!(open(dir.path()).list().unwrap(), store.list().unwrap());
}

#[test]
fn refusals_have_their_kind_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    prepare(&store, "a", Base::Scratch).unwrap();
    commit(&store, "a", "A", None).unwrap();
    prepare(&store, "b", Base::Layer(&layer("A"))).unwrap();
    prepare(&store, "z", Base::Deferred).unwrap();
    view(&store, "v", "A").unwrap();
    let before = shown(&store);
    let none = layer("none");
    let rows: Vec<(ErrorKind, Result<()>)> = vec![
        (ErrorKind::AlreadyExists, prepare(&store, "b", Base::Scratch)),
        (ErrorKind::AlreadyExists, view(&store, "b", "A")),
        (ErrorKind::NotFound, prepare(&store, "c", Base::Layer(&none))),
        (ErrorKind::NotFound, view(&store, "c", "none")),
        (ErrorKind::NotFound, commit(&store, "none", "B", None)),
        (ErrorKind::NotFound, commit(&store, "z", "B", Some("none"))),
        (ErrorKind::AlreadyExists, commit(&store, "b", "A", None)),
        (ErrorKind::InvalidArgument, commit(&store, "b", "B", Some("A"))),
        (ErrorKind::WrongState, commit(&store, "v", "B", None)),
        (ErrorKind::WrongState, unpack(&store, "v")),
        (ErrorKind::NotFound, unpack(&store, "none")),
        (ErrorKind::HasChildren, store.remove((&layer("A")).into())),
        (ErrorKind::WrongState, store.check_mountable(Op::Mount, &draft("z")).map(drop)),
    ];
    for (n, (expected, result)) in rows.into_iter().enumerate() {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), expected, "row {n}: {}", error.report());
        assert!(error.report().starts_with("test: "), "{}", error.report());
    }
    assert_eq!(shown(&store), before);
    assert!(store.remove((&draft("none")).into()).is_ok());
    assert!(store.remove((&none).into()).is_ok());
    remove_all(&store, dir.path());
}

#[test]
fn a_layer_stays_while_anything_stands_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    prepare(&store, "a", Base::Scratch).unwrap();
    commit(&store, "a", "A", None).unwrap();
    let a = layer("A");
    let stays = |child: NodeRef<'_>| {
        let error = store.remove((&a).into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HasChildren);
        assert!(error.to_string().contains(&child.to_string()), "{error}");
    };
    prepare(&store, "d", Base::Layer(&a)).unwrap();
    stays((&draft("d")).into());
    commit(&store, "d", "B", None).unwrap();
    stays((&layer("B")).into());
    store.remove((&layer("B")).into()).unwrap();
    view(&store, "v", "A").unwrap();
    stays((&draft("v")).into());
    store.remove((&draft("v")).into()).unwrap();
    prepare(&store, "z", Base::Deferred).unwrap();
    commit(&store, "z", "C", Some("A")).unwrap();
    stays((&layer("C")).into());
    store.remove((&layer("C")).into()).unwrap();
    store.remove((&a).into()).unwrap();
    remove_all(&store, dir.path());
}

#[test]
fn a_chain_ends_where_the_layout_says() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    prepare(&store, "d", Base::Scratch).unwrap();
    commit(&store, "d", "1", None).unwrap();
    for n in 2..=4 {
        prepare(&store, "d", Base::Layer(&layer(&(n - 1).to_string()))).unwrap();
        commit(&store, "d", &n.to_string(), None).unwrap();
    }
    // The longest chain there can be has a draft and a view on it, and no more.
    prepare(&store, "d", Base::Layer(&layer("4"))).unwrap();
    view(&store, "v", "4").unwrap();
    assert_eq!(kind(commit(&store, "d", "5", None)), ErrorKind::Unsupported);
    prepare(&store, "z", Base::Deferred).unwrap();
    assert_eq!(kind(commit(&store, "z", "5", Some("4"))), ErrorKind::Unsupported);
    let node = store.get(Op::Stat, (&draft("d")).into()).unwrap();
    let chain = store.chain(Op::Stat, &node).unwrap();
    assert_eq!(
        chain.iter().map(|n| n.id().as_str().to_owned()).collect::<Vec<_>>(),
        ["4", "3", "2", "1"]
    );
    let shallow = NodeStore::open(dir.path(), Layout { max_depth: NonZeroU32::new(3), ..LAYOUT });
    let refused = prepare(&shallow.unwrap(), "e", Base::Layer(&layer("4"))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.report().contains('3'), "{}", refused.report());
}

#[test]
fn what_unpacking_leaves_when_it_fails_can_only_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (id, base) in [("a", Base::Scratch), ("z", Base::Deferred)] {
        prepare(&store, id, base).unwrap();
        let failed = store.unpack(&draft(id), |_| -> Result<()> {
            assert!(store.stat((&draft(id)).into()).unwrap().unpacking);
            assert_eq!(kind(store.remove((&draft(id)).into())), ErrorKind::Busy);
            Err(graphdriver_api::Error::new(ErrorKind::BadDiff, Op::Apply, "bad"))
        });
        assert_eq!(kind(failed), ErrorKind::BadDiff);
        assert!(store.stat((&draft(id)).into()).unwrap().unpacking);
        assert_eq!(kind(unpack(&store, id)), ErrorKind::WrongState);
        assert_eq!(kind(commit(&store, id, "A", None)), ErrorKind::WrongState);
        let mountable = store.check_mountable(Op::Mount, &draft(id));
        assert_eq!(kind(mountable), ErrorKind::WrongState);
    }
    remove_all(&store, dir.path());
}

#[test]
fn reclaiming_tells_what_it_gave_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    prepare(&store, "a", Base::Scratch).unwrap();
    let tree = dir.path().join("drafts/a/tree");
    std::fs::write(tree.join("big"), vec![1; 1 << 20]).unwrap();
    std::fs::hard_link(tree.join("big"), tree.join("again")).unwrap();
    std::fs::create_dir(tree.join("sub")).unwrap();
    let usage = usage_of(std::fs::File::open(&tree).unwrap().as_fd()).unwrap();
    // tree, sub, name, and big under its two names.
    assert_eq!(usage.inodes, 4);
    assert!((1 << 20..2 << 20).contains(&usage.bytes), "{usage:?}");
    store.remove((&draft("a")).into()).unwrap();
    assert_eq!(store.awaiting_reclaim().unwrap(), 1);
    let reclaimed = store.reclaim().unwrap();
    assert_eq!(reclaimed.nodes, 1);
    assert!(reclaimed.bytes >= usage.bytes, "{reclaimed:?}");
    assert_eq!(store.awaiting_reclaim().unwrap(), 0);
    assert_eq!(store.reclaim().unwrap(), Default::default());
}

/// A host that was probed once isn't probed again, so no other probe may ever
/// take away what a killed one left.
#[test]
fn reclaiming_takes_what_killed_probes_left_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let alive = Ground::near(dir.path()).unwrap();
    let dead = dir.path().join(".sapwood-probe-0123456789abcdef");
    std::fs::create_dir_all(dead.join("lower/dir")).unwrap();
    let foreign = dir.path().join(".sapwood-probe-of-mine");
    std::fs::create_dir(&foreign).unwrap();
    assert_eq!(store.reclaim().unwrap(), Default::default());
    let there = [&*dead, &foreign, alive.path()].map(|path| path.try_exists().unwrap());
    assert_eq!(there, [false, true, true]);
}
