//! Drafts for one boot, and the restart of a host, as its root looks after one.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;

use graphdriver_api::{Care, Finding, Repaired, Severity};

use super::care::{CARE, findings};
use super::*;
use crate::fault::{Failure, inject};

/// Every mark becomes that of an earlier boot.
fn restart(root: &Path) {
    let mut marks = vec![root.join("boot")];
    for shelf in ["drafts", "layers"] {
        let nodes = fs::read_dir(root.join(shelf)).unwrap();
        marks.extend(nodes.map(|node| node.unwrap().path().join("boot")));
    }
    for mark in marks.iter().filter(|mark| mark.is_symlink()) {
        fs::remove_file(mark).unwrap();
        symlink("an-earlier-boot", mark).unwrap();
    }
}

/// A layer, and on it a lasting draft, a volatile one and a view.
fn populate(store: &NodeStore) {
    prepare_volatile(store, "a", Base::Scratch).unwrap();
    commit(store, "a", "A", None).unwrap();
    let base = layer("A");
    prepare(store, "lasting", Base::Layer(&base)).unwrap();
    prepare_volatile(store, "volatile", Base::Layer(&base)).unwrap();
    view(store, "view", "A").unwrap();
}

#[test]
fn volatile_nodes_stay_until_the_host_is_restarted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    populate(&store);
    let before = shown(&store);
    assert_eq!(before.len(), 4);
    let again = open(dir.path());
    assert_eq!(again.recovered(), Recovered::default());
    assert_eq!(shown(&again), before);
    assert_eq!(kind(again.remove((&layer("A")).into())), ErrorKind::HasChildren);
    remove_all(&again, dir.path());
}

#[test]
fn a_restart_takes_volatile_nodes_away_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    populate(&open(dir.path()));
    restart(dir.path());
    // Its bytes were never flushed.
    fs::write(dir.path().join("drafts/volatile/draft.json"), "").unwrap();
    let found = findings(dir.path());
    assert!(found.iter().all(|finding| finding.severity == Severity::Leftover), "{found:?}");
    let told = |finding: &Finding| format!("{} {}", finding.code, finding.path.display());
    let told: Vec<_> = found.iter().map(told).collect();
    assert_eq!(told, ["draft-ended drafts/view", "draft-ended drafts/volatile"]);
    let nodes = CARE.check(dir.path(), &mut |_| ControlFlow::Continue(()));
    assert_eq!(nodes.unwrap().len(), 2);
    let store = open(dir.path());
    assert_eq!(store.recovered(), Recovered { ended: 2, ..Recovered::default() });
    assert_eq!(shown(&store).into_keys().collect::<Vec<_>>(), ["draft lasting", "layer A"]);
    assert_eq!(open(dir.path()).recovered(), Recovered::default());
    remove_all(&store, dir.path());
}

/// A medium was taken away before the bytes of a record came to it.
#[test]
fn a_volatile_draft_that_was_lost_is_gone_in_the_same_boot() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    populate(&store);
    let lose = || fs::write(dir.path().join("drafts/volatile/draft.json"), "").unwrap();
    lose();
    let found = findings(dir.path());
    let [finding] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&*finding.code, finding.severity), ("draft-ended", Severity::Leftover));
    assert_eq!(kind(store.stat((&draft("volatile")).into())), ErrorKind::NotFound);
    assert_eq!(CARE.repair(dir.path(), finding, dir.path()).unwrap(), Repaired::Mended);
    assert!(!dir.path().join("drafts/volatile").try_exists().unwrap());

    prepare_volatile(&store, "volatile", Base::Scratch).unwrap();
    lose();
    assert_eq!(shown(&store).len(), 3);
    assert!(!dir.path().join("drafts/volatile").try_exists().unwrap(), "still there after a list");
    remove_all(&store, dir.path());
}

/// Who has it is alive, and on this kernel, whatever it calls the boot.
#[test]
fn what_is_in_use_stays_in_another_boot() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    populate(&store);
    let lease = store.lease(Op::Mount, &draft("volatile"), Use::Mount).unwrap();
    restart(dir.path());
    let again = open(dir.path());
    assert_eq!(again.recovered().ended, 1, "the view alone");
    assert!(shown(&again).contains_key("draft volatile"));
    let found: Vec<_> = findings(dir.path()).into_iter().map(|f| f.code).collect();
    assert_eq!(found, ["trash"]);
    drop(lease);
    restart(dir.path());
    assert_eq!(open(dir.path()).recovered().ended, 1);
}

/// Whoever has it may still need what is in it.
#[test]
fn a_lost_draft_that_is_in_use_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    populate(&store);
    let lease = store.lease(Op::Mount, &draft("volatile"), Use::Mount).unwrap();
    fs::write(dir.path().join("drafts/volatile/draft.json"), "").unwrap();
    store.list().unwrap();
    assert!(dir.path().join("drafts/volatile/tree").try_exists().unwrap());
    drop(lease);
    store.list().unwrap();
    assert!(!dir.path().join("drafts/volatile").try_exists().unwrap());
}

#[test]
fn volatile_nodes_are_made_and_removed_without_flushing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    populate(&store);
    let flushes = |call: &dyn Fn()| {
        let injection = inject("nodes.", 0, Failure::None);
        call();
        injection.passed().iter().filter(|point| point.contains("fsync")).count()
    };
    let remove = |id: &str| store.remove(NodeRef::from(&draft(id))).unwrap();
    let base = layer("A");
    let volatile = || {
        prepare_volatile(&store, "x", Base::Layer(&base)).unwrap();
        remove("x");
        view(&store, "x", "A").unwrap();
        remove("x");
    };
    assert_eq!(flushes(&volatile), 0);
    assert_eq!(flushes(&|| prepare(&store, "x", Base::Layer(&base)).unwrap()), 4);
    assert_eq!(flushes(&|| remove("x")), 1);
}

#[test]
fn what_isnt_a_mark_or_a_draft_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    populate(&open(dir.path()));
    restart(dir.path());
    fs::write(dir.path().join("drafts/lasting/boot"), "x").unwrap();
    fs::write(dir.path().join("drafts/letter"), "x").unwrap();
    symlink("../layers/A", dir.path().join("drafts/link")).unwrap();
    assert_eq!(open(dir.path()).recovered().ended, 2);
    for name in ["lasting", "letter", "link"] {
        assert!(dir.path().join("drafts").join(name).symlink_metadata().is_ok(), "{name}");
    }
}
