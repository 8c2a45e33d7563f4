//! Whose root it is, and what is wrong with it.

use super::*;

fn opened(root: &Path, layout: Layout) -> (ErrorKind, String) {
    let error = NodeStore::open(root, layout).unwrap_err();
    assert_eq!(error.op(), Op::Open);
    (error.kind(), error.report())
}

#[test]
fn a_root_is_made_with_what_is_above_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("x/y");
    let store = open(&root);
    assert_eq!(store.path(), root.canonicalize().unwrap());
    assert!(root.join("mine").is_dir());
    let mode = std::os::unix::fs::PermissionsExt::mode(&root.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn another_drivers_root_and_a_newer_one_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path());
    let (kind, report) = opened(dir.path(), Layout { driver: "other", ..LAYOUT });
    assert_eq!(kind, ErrorKind::Corrupt);
    assert!(report.contains("belongs to the driver test"), "{report}");
    let (kind, report) = opened(dir.path(), Layout { version: 2, ..LAYOUT });
    assert_eq!(kind, ErrorKind::Corrupt);
    assert!(report.contains("3.1, newer than 2.2"), "{report}");
    open(dir.path());
    std::fs::write(dir.path().join("format"), "{").unwrap();
    assert_eq!(opened(dir.path(), LAYOUT).0, ErrorKind::Corrupt);
}

#[test]
fn a_foreign_directory_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("letter"), "x").unwrap();
    assert_eq!(kind(has_nodes(dir.path(), "test")), ErrorKind::Corrupt);
    let (kind, report) = opened(dir.path(), LAYOUT);
    assert_eq!(kind, ErrorKind::Corrupt);
    assert!(report.contains("letter"), "{report}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_founding_that_was_cut_off_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("lost+found")).unwrap();
    std::fs::write(dir.path().join(".format.new"), "{").unwrap();
    let _probing = Ground::near(dir.path()).unwrap();
    prepare(&open(dir.path()), "a", Base::Scratch).unwrap();
}

#[test]
fn nodes_are_seen_without_opening() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("r");
    assert!(!has_nodes(&root, "test").unwrap());
    let store = open(&root);
    assert!(!has_nodes(&root, "test").unwrap());
    prepare(&store, "a", Base::Scratch).unwrap();
    assert!(has_nodes(&root, "test").unwrap());
    commit(&store, "a", "A", None).unwrap();
    assert!(has_nodes(&root, "test").unwrap());
    assert_eq!(kind(has_nodes(&root, "other")), ErrorKind::Corrupt);
    remove_all(&store, &root);
    assert!(!has_nodes(&root, "test").unwrap());
}

#[test]
fn a_damaged_node_is_named_and_never_taken_for_absent() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    prepare(&store, "a", Base::Scratch).unwrap();
    let record = dir.path().join("drafts/a/draft.json");
    let good = std::fs::read(&record).unwrap();
    let all_say = |what: &str| {
        for error in [
            store.stat((&draft("a")).into()).unwrap_err(),
            store.list().unwrap_err(),
            store.remove((&draft("a")).into()).unwrap_err(),
            commit(&store, "a", "A", None).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {}", error.report());
            assert_eq!(error.node(), Some(&NodeId::Draft(draft("a"))), "{what}");
        }
    };
    std::fs::write(&record, "").unwrap();
    all_say("empty");
    std::fs::write(&record, vec![b' '; 300 << 10]).unwrap();
    all_say("huge");
    std::fs::remove_file(&record).unwrap();
    all_say("missing");
    std::fs::write(&record, &good).unwrap();
    assert!(store.stat((&draft("a")).into()).is_ok());
    std::fs::write(dir.path().join("layers/-stray"), "").unwrap();
    assert_eq!(kind(store.list()), ErrorKind::Corrupt);
}

#[test]
fn a_chain_that_contradicts_itself_ends() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    prepare(&store, "a", Base::Scratch).unwrap();
    commit(&store, "a", "A", None).unwrap();
    prepare(&store, "a", Base::Layer(&layer("A"))).unwrap();
    commit(&store, "a", "B", None).unwrap();
    view(&store, "v", "B").unwrap();
    let node = store.get(Op::Plan, (&draft("v")).into()).unwrap();
    // A layer that is its own parent.
    let (a, b) = ("layers/A/layer.json", "layers/B/layer.json");
    std::fs::copy(dir.path().join(b), dir.path().join(a)).unwrap();
    assert_eq!(kind(store.chain(Op::Plan, &node)), ErrorKind::Corrupt);
    std::fs::remove_dir_all(dir.path().join("layers/A")).unwrap();
    let error = store.chain(Op::Plan, &node).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.node(), Some(&NodeId::Layer(layer("A"))));
}

#[test]
fn what_the_root_passes_on_ends_there() {
    let dir = tempfile::tempdir().unwrap();
    let root = std::fs::File::open(dir.path()).unwrap();
    // user::rwx, group::r-x, mask::rwx, other::r-x, as setfacl -d makes it.
    let acl = b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x04\0\x05\0\xff\xff\xff\xff\
        \x10\0\x07\0\xff\xff\xff\xff\x20\0\x05\0\xff\xff\xff\xff";
    let target = crate::at::xattr::Target::open(&root);
    crate::at::xattr::set(target, "system.posix_acl_default".as_ref(), acl).unwrap();
    crate::at::chmod(&root, 0o2777, false).unwrap();
    prepare(&open(dir.path()), "a", Base::Scratch).unwrap();
    for made in ["making", "drafts", "drafts/a", "drafts/a/tree"] {
        let made = std::fs::File::open(dir.path().join(made)).unwrap();
        assert_eq!(crate::at::Meta::of(&made).unwrap().mode, 0o700);
        let target = crate::at::xattr::Target::open(&made);
        assert!(crate::at::xattr::read(target, |_| true).unwrap().is_empty());
    }
}

/// A runtime that was still at work in a mount point when that was unmounted has
/// made directories there.
#[test]
fn what_was_made_in_a_mount_point_is_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    std::fs::create_dir_all(dir.path().join("mounts/gone/proc/sub")).unwrap();
    let store = open(dir.path());
    assert_eq!(std::fs::read_dir(dir.path().join("mounts")).unwrap().count(), 0);
    assert_eq!(store.reclaim().unwrap().nodes, 1);
    remove_all(&store, dir.path());
}
