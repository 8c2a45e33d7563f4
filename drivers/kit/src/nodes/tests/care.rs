//! Damage done by hand, one kind at a time: found as what it is and nothing
//! else, put right, and then nothing is found.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt, symlink};

use graphdriver_api::{Care, Finding, Remedy, Repaired, Severity};

use super::*;
use crate::nodes::{Found, NodeCare, Own, Rules};

#[derive(Debug)]
struct Nothing;

impl Own for Nothing {
    fn node(&self, _: NodeRef<'_>, _: BorrowedFd<'_>, _: &Record) -> std::io::Result<Vec<Found>> {
        Ok(Vec::new())
    }
}

pub(super) const CARE: NodeCare =
    NodeCare(Rules { layout: LAYOUT, tree: "tree", keeps: &[], own: &Nothing });

pub(super) fn findings(root: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    CARE.check(root, &mut |finding| {
        found.push(finding);
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

fn codes(root: &Path) -> Vec<String> {
    findings(root).into_iter().map(|f| f.code.into_owned()).collect()
}

/// Two layers, one of them committed onto the other, a third that nothing
/// stands on, a draft and a view.
fn populate(root: &Path) -> Shown {
    let store = open(root);
    prepare(&store, "d0", Base::Scratch).unwrap();
    commit(&store, "d0", "base", None).unwrap();
    prepare(&store, "d1", Base::Deferred).unwrap();
    commit(&store, "d1", "top", Some("base")).unwrap();
    prepare(&store, "d2", Base::Scratch).unwrap();
    commit(&store, "d2", "other", None).unwrap();
    prepare(&store, "d", Base::Layer(&layer("top"))).unwrap();
    view(&store, "v", "top").unwrap();
    shown(&store)
}

fn edit(path: &Path, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed, "{path:?}");
    fs::write(path, changed).unwrap();
}

struct Damage {
    name: &'static str,
    does: fn(&Path),
    found: &'static [&'static str],
    /// What is found after repairing.
    left: &'static [&'static str],
}

const fn damage(
    name: &'static str,
    found: &'static [&'static str],
    left: &'static [&'static str],
    does: fn(&Path),
) -> Damage {
    Damage { name, does, found, left }
}

fn table() -> Vec<Damage> {
    vec![
        damage("no format", &["format-missing"], &[], |r| {
            fs::remove_file(r.join("format")).unwrap();
        }),
        damage("half a format", &["format-damaged"], &[], |r| {
            fs::write(r.join("format"), b"{\"driver\":").unwrap();
        }),
        damage("a shelf is gone", &["directory-missing"], &[], |r| {
            fs::remove_dir(r.join("trash")).unwrap();
        }),
        damage("a stranger in the root", &["stray"], &[], |r| {
            fs::write(r.join("photo.jpg"), b"x").unwrap();
        }),
        damage("a file among the layers", &["stray"], &[], |r| {
            fs::write(r.join("layers/file"), b"x").unwrap();
        }),
        damage("a link among the drafts", &["stray"], &[], |r| {
            symlink("d", r.join("drafts/link")).unwrap();
        }),
        damage("a stranger in a layer", &["stray"], &[], |r| {
            fs::write(r.join("layers/top/notes"), b"x").unwrap();
        }),
        damage("a stranger among the links", &["stray"], &[], |r| {
            fs::write(r.join("layers/base/children/x"), b"x").unwrap();
        }),
        damage("an empty folder", &["orphan-folder"], &[], |r| {
            fs::create_dir(r.join("layers/ghost")).unwrap();
            fs::set_permissions(r.join("layers/ghost"), fs::Permissions::from_mode(0o700)).unwrap();
        }),
        damage("a layer's record is gone", &["record-missing"], &[], |r| {
            fs::remove_file(r.join("layers/top/layer.json")).unwrap();
        }),
        damage("a layer's record is cut off", &["record-damaged"], &[], |r| {
            fs::write(r.join("layers/top/layer.json"), b"{\"kind\":\"la").unwrap();
        }),
        damage("a draft's record is cut off", &["record-damaged"], &[], |r| {
            fs::write(r.join("drafts/d/draft.json"), b"").unwrap();
        }),
        damage("a view's record is gone", &["orphan-folder"], &[], |r| {
            fs::remove_file(r.join("drafts/v/draft.json")).unwrap();
        }),
        damage("a layer's locks are gone", &["lock-missing"], &[], |r| {
            fs::remove_file(r.join("layers/top/draft.json")).unwrap();
        }),
        damage("the wrong parent", &["parent-wrong"], &[], |r| {
            edit(&r.join("layers/top/layer.json"), |t| t.replace("\"base\"", "\"other\""));
        }),
        damage("the wrong depth", &["depth-wrong", "depth-wrong", "depth-wrong"], &[], |r| {
            edit(&r.join("layers/top/layer.json"), |t| t.replace("\"depth\":2", "\"depth\":3"));
        }),
        damage("a lost link", &["link-missing"], &[], |r| {
            fs::remove_file(r.join("layers/base/children/layer.top")).unwrap();
        }),
        damage("all links lost", &["link-missing", "link-missing"], &[], |r| {
            fs::remove_dir_all(r.join("layers/top/children")).unwrap();
        }),
        damage("a parent is gone", &["parent-missing"], &["parent-missing"], |r| {
            fs::remove_dir_all(r.join("layers/base")).unwrap();
        }),
        damage("a draft's tree is gone", &["tree-missing"], &[], |r| {
            fs::remove_dir_all(r.join("drafts/d/tree")).unwrap();
        }),
        damage("a layer's tree is gone", &["tree-missing"], &[], |r| {
            fs::remove_dir_all(r.join("layers/other/tree")).unwrap();
        }),
        damage("others may look into a layer", &["owner"], &[], |r| {
            let open = fs::Permissions::from_mode(0o755);
            fs::set_permissions(r.join("layers/top"), open).unwrap();
        }),
        damage("a layer is somebody else's", &["owner"], &[], |r| {
            std::os::unix::fs::chown(r.join("layers/top"), Some(12345), None).unwrap();
        }),
        damage("half made", &["half-made"], &[], |r| {
            fs::create_dir(r.join("making/m")).unwrap();
        }),
        damage("a ticket of nothing", &["ticket-stale"], &[], |r| {
            let ticket = r#"{"driver":"test","draft":"gone","path":"/x","token":"x"}"#;
            fs::write(r.join("tickets/gone"), ticket).unwrap();
        }),
        damage("half a ticket", &["ticket-damaged"], &[], |r| {
            fs::write(r.join("tickets/d"), b"{").unwrap();
        }),
        damage("a mount point of nothing", &["mount-point"], &[], |r| {
            fs::create_dir(r.join("mounts/gone")).unwrap();
        }),
        damage("a flush that failed", &["unflushed"], &["unflushed"], |r| {
            fs::write(r.join("drafts/d/unflushed"), b"").unwrap();
        }),
        damage("trash", &["trash"], &[], |r| fs::create_dir(r.join("trash/x")).unwrap()),
    ]
}

/// Repairs until nothing changes any more, as the engine does.
fn repair(root: &Path, quarantine: &Path) {
    for _ in 0..3 {
        for finding in findings(root) {
            if finding.remedy != Remedy::Nothing {
                CARE.repair(root, &finding, quarantine).unwrap();
            }
        }
    }
}

fn survivors(damage: &Damage, shown: Shown) -> Shown {
    let gone: &[&str] = match damage.name {
        "a view's record is gone" => &["draft v"],
        "a parent is gone" => &["layer base"],
        "a draft's tree is gone" => &["draft d"],
        "a layer's tree is gone" => &["layer other"],
        _ => &[],
    };
    shown.into_iter().filter(|(id, _)| !gone.contains(&id.as_str())).collect()
}

#[test]
fn each_damage_is_found_and_put_right() {
    for damage in table() {
        let (dir, quarantine) = (fast_dir(), fast_dir());
        let root = dir.path().join("root");
        let quarantine = tempfile::tempdir_in(dir.path()).map_or(quarantine, |q| q);
        let before = populate(&root);
        assert_eq!(codes(&root), Vec::<String>::new(), "{}: before", damage.name);
        (damage.does)(&root);
        let expected: Vec<_> = damage.found.iter().map(|code| (*code).to_owned()).collect();
        assert_eq!(codes(&root), expected, "{}: found", damage.name);
        assert_eq!(codes(&root), expected, "{}: looking changed something", damage.name);
        repair(&root, quarantine.path());
        let left: Vec<_> = damage.left.iter().map(|code| (*code).to_owned()).collect();
        assert_eq!(codes(&root), left, "{}: left", damage.name);
        assert_eq!(shown(&open(&root)), survivors(&damage, before), "{}: nodes", damage.name);
    }
}

#[test]
fn what_is_set_aside_is_kept() {
    let dir = fast_dir();
    let (root, quarantine) = (dir.path().join("root"), dir.path().join("quarantine"));
    fs::create_dir(&quarantine).unwrap();
    populate(&root);
    fs::write(root.join("layers/notes"), b"precious").unwrap();
    let finding = findings(&root).pop().unwrap();
    match CARE.repair(&root, &finding, &quarantine).unwrap() {
        Repaired::SetAside(path) => assert_eq!(fs::read(path).unwrap(), b"precious"),
        other => panic!("{other:?}"),
    }
    assert_eq!(CARE.repair(&root, &finding, &quarantine).unwrap(), Repaired::Gone);
}

#[test]
fn what_the_living_do_is_no_finding() {
    let dir = fast_dir();
    let root = dir.path().join("root");
    populate(&root);
    let store = open(&root);
    let making =
        store.begin(Op::Prepare, &draft("m"), Base::Layer(&layer("top")), Kind::Draft).unwrap();
    assert_eq!(codes(&root), Vec::<String>::new());
    drop(making);
    let found = findings(&root);
    assert!(found.iter().all(|f| f.severity == Severity::Leftover), "{found:?}");
    // A draft in use isn't touched.
    let lease = store.lease(Op::Mount, &draft("d"), crate::nodes::Use::Mount).unwrap();
    fs::write(root.join("drafts/d/notes"), b"x").unwrap();
    let stray = findings(&root).into_iter().find(|f| f.code == "stray").unwrap();
    assert_eq!(CARE.repair(&root, &stray, dir.path()).unwrap(), Repaired::Kept);
    drop(lease);
    assert!(matches!(CARE.repair(&root, &stray, dir.path()).unwrap(), Repaired::SetAside(_)));
}

#[test]
fn roots_of_others_are_refused_and_no_root_has_nothing() {
    let dir = fast_dir();
    let refused = |path: &Path| CARE.check(path, &mut |_| ControlFlow::Continue(())).is_err();
    assert!(!refused(&dir.path().join("none")));
    assert!(!refused(dir.path()));
    fs::write(dir.path().join("photo"), b"x").unwrap();
    assert!(refused(dir.path()));
    let root = dir.path().join("root");
    populate(&root);
    edit(&root.join("format"), |t| t.replace("\"version\":3", "\"version\":4"));
    assert!(refused(&root));
}
