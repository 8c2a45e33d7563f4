//! Borrowing: from lenders that are fit and from those that aren't, cut off and
//! failing at each point, and what a check says.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;

use rustix::io::Errno;

use super::care::findings;
use super::*;
use crate::fault::{Failure, inject};

const ROOT: &str = "SAPWOOD_TEST_BORROWER";
const POINT: &str = "SAPWOOD_TEST_POINT";

/// A lender with two layers beneath `dir`, and the path of a root to be.
fn lender(dir: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let path = dir.join("lender");
    let store = open(&path);
    prepare(&store, "a", Base::Scratch).unwrap();
    commit(&store, "a", "A", None).unwrap();
    prepare(&store, "b", Base::Layer(&layer("A"))).unwrap();
    commit(&store, "b", "B", None).unwrap();
    (path, dir.join("root"))
}

fn borrow(store: &NodeStore, id: &str, from: &Path) -> Result<()> {
    store.borrow(&layer(id), from, "tree", |_| Ok(json!({})))
}

fn name_in(store: &NodeStore, id: &str) -> Result<String> {
    let node = store.get(Op::Diff, (&layer(id)).into())?;
    let tree = node.open_dir("test", Op::Diff, "tree")?;
    let file = disk::find_file(tree, "name").unwrap().unwrap();
    Ok(String::from_utf8(disk::read_all(&file).unwrap()).unwrap())
}

fn format_of(root: &Path) -> Value {
    serde_json::from_slice(&fs::read(root.join("format")).unwrap()).unwrap()
}

#[test]
fn a_borrowed_layer_is_a_record_and_its_root_is_of_a_newer_format() {
    let dir = tempfile::tempdir().unwrap();
    let (from, root) = lender(dir.path());
    let store = open(&root);
    assert_eq!(format_of(&root)["nodes"], 1);
    borrow(&store, "A", &from).unwrap();
    borrow(&store, "B", &from).unwrap();
    // An earlier release knows format 1, and refuses this.
    assert_eq!(format_of(&root)["nodes"], 2);
    assert_eq!(format_of(&from)["nodes"], 1);
    assert!(!root.join("layers/B/tree").try_exists().unwrap());
    assert_eq!(name_in(&store, "B").unwrap(), "b");
    assert_eq!(kind(store.remove((&layer("A")).into())), ErrorKind::HasChildren);
    assert!(findings(&root).is_empty(), "{:?}", findings(&root));
    store.remove((&layer("B")).into()).unwrap();
    remove_all(&store, &root);
    assert_eq!(name_in(&open(&from), "B").unwrap(), "b");
}

/// Whoever could write to a lender could put a set-user-ID file into containers.
#[test]
fn a_lender_that_others_could_change_is_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT RUN: only root can give files away");
        return;
    }
    for place in ["", "layers", "layers/A"] {
        let dir = tempfile::tempdir().unwrap();
        let (from, root) = lender(dir.path());
        let (store, place) = (open(&root), from.join(place));
        for mode in [0o777, 0o720, 0o702] {
            fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
            let refused = borrow(&store, "A", &from).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Prerequisite, "{place:?}");
            let said = refused.report();
            assert!(said.contains("others could change it"), "{said}");
            assert!(said.contains(&format!("lies in {}", from.display())), "{said}");
        }
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
        chown(&place, Some(4711), None).unwrap();
        let said = borrow(&store, "A", &from).unwrap_err().report();
        assert!(said.contains("belongs to user 4711"), "{said}");
        assert!(shown(&store).is_empty());
        chown(&place, Some(0), None).unwrap();
        borrow(&store, "A", &from).unwrap();
        // And at each use, not only then.
        chown(&place, Some(4711), None).unwrap();
        assert_eq!(kind(name_in(&store, "A")), ErrorKind::Prerequisite);
        assert_eq!(findings(&root)[0].code, "lender-missing");
    }
}

type Spoil = fn(&Path);

#[test]
fn a_lender_that_isnt_what_it_should_be_is_refused_in_words() {
    let rows: [(Spoil, ErrorKind, &str); 8] = [
        (
            |p| edit(&p.join("format"), "\"test\"", "\"other\""),
            ErrorKind::Corrupt,
            "the driver other",
        ),
        (
            |p| edit(&p.join("format"), "\"version\":3", "\"version\":4"),
            ErrorKind::Corrupt,
            "newer than 3.2",
        ),
        (
            |p| edit(&p.join("format"), "\"nodes\":1", "\"nodes\":3"),
            ErrorKind::Corrupt,
            "newer than 3.2",
        ),
        (|p| fs::remove_file(p.join("format")).unwrap(), ErrorKind::Corrupt, "no file `format`"),
        (|p| relink(p, "layers/A"), ErrorKind::Corrupt, "no links are followed"),
        (|p| relink(p, "layers/A/tree"), ErrorKind::Corrupt, "no links are followed"),
        (|p| relink(p, "layers"), ErrorKind::Corrupt, "no links are followed"),
        (
            |p| fs::write(p.join("layers/A/layer.json"), "{").unwrap(),
            ErrorKind::Corrupt,
            "can't be read",
        ),
    ];
    for (spoil, expected, words) in rows {
        let dir = tempfile::tempdir().unwrap();
        let (from, root) = lender(dir.path());
        spoil(&from);
        let store = open(&root);
        let refused = borrow(&store, "A", &from).unwrap_err();
        assert_eq!(refused.kind(), expected, "{words}: {}", refused.report());
        assert!(refused.report().contains(words), "{words}: {}", refused.report());
        assert!(refused.report().contains("lies in"), "{words}: {}", refused.report());
        assert!(shown(&store).is_empty());
    }
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// Puts a symbolic link in the place of a directory, to that very directory.
fn relink(root: &Path, name: &str) {
    let aside = root.join("aside");
    fs::rename(root.join(name), &aside).unwrap();
    symlink(&aside, root.join(name)).unwrap();
}

#[test]
fn what_the_lender_changes_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (from, root) = lender(dir.path());
    let store = open(&root);
    borrow(&store, "A", &from).unwrap();
    borrow(&store, "B", &from).unwrap();
    edit(&from.join("layers/B/layer.json"), "\"parent\":\"A\"", "\"parent\":\"Z\"");
    let found = findings(&root);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].what.contains("stands on another layer"), "{found:?}");
    // One that names a parent which isn't here can't be borrowed at all.
    store.remove((&layer("B")).into()).unwrap();
    assert_eq!(kind(borrow(&store, "B", &from)), ErrorKind::NotFound);
}

/// A record that is lost is told by the one that the locks are on.
#[test]
fn a_lost_record_is_written_again_as_a_borrowed_layers() {
    use graphdriver_api::{Care, Repaired};
    let dir = tempfile::tempdir().unwrap();
    let (from, root) = lender(dir.path());
    let store = open(&root);
    borrow(&store, "A", &from).unwrap();
    borrow(&store, "B", &from).unwrap();
    let before = store.stat((&layer("B")).into()).unwrap();
    fs::remove_file(root.join("layers/B/layer.json")).unwrap();
    let found = findings(&root);
    assert_eq!(found[0].code, "record-missing");
    let mended = super::care::CARE.repair(&root, &found[0], dir.path()).unwrap();
    assert_eq!(mended, Repaired::Mended);
    assert_eq!(store.stat((&layer("B")).into()).unwrap().lender, before.lender);
    assert!(findings(&root).is_empty(), "{:?}", findings(&root));
}

#[test]
fn a_borrowing_that_fails_leaves_nothing() {
    let mut nth = 0;
    loop {
        nth += 1;
        let dir = fast_dir();
        let (from, root) = lender(dir.path());
        let store = open(&root);
        borrow(&store, "A", &from).unwrap();
        let injection = inject("nodes.", nth, Failure::Errno(Errno::NOSPC));
        let done = borrow(&store, "B", &from);
        let passed = injection.passed().len();
        drop(injection);
        match done {
            Ok(()) => {
                assert!(passed >= 8, "only {passed} points");
                break;
            }
            Err(e) => assert_eq!(e.kind(), ErrorKind::NoSpace, "point {nth}"),
        }
        assert_eq!(shown(&store).len(), 1, "point {nth}");
        // At once, and not only when somebody opens the root again.
        assert!(disk::names(&store.making).unwrap().is_empty(), "point {nth}");
        drop(store);
        let store = open(&root);
        assert!(disk::names(&store.making).unwrap().is_empty(), "point {nth}");
        borrow(&store, "B", &from).unwrap();
        remove_all(&store, &root);
    }
}

#[test]
#[ignore = "run by the test below, in a process that it kills"]
fn victim() {
    let (Some(dir), Ok(point)) = (std::env::var_os(ROOT), std::env::var(POINT)) else { return };
    let dir = Path::new(&dir);
    let store = open(&dir.join("root"));
    let _injection = inject("nodes.", point.parse().unwrap(), Failure::Kill);
    borrow(&store, "A", &dir.join("lender")).unwrap();
    borrow(&store, "B", &dir.join("lender")).unwrap();
}

#[test]
fn a_borrowing_that_is_cut_off_has_happened_or_hasnt() {
    let mut seen = std::collections::BTreeSet::new();
    for point in 1.. {
        let dir = fast_dir();
        let (_, root) = lender(dir.path());
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "nodes::tests::borrow::victim", "--ignored", "--quiet"])
            .env(ROOT, dir.path())
            .env(POINT, point.to_string())
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        let store = open(&root);
        seen.insert(shown(&store).len());
        assert!(disk::names(&store.making).unwrap().is_empty(), "point {point}");
        assert!(findings(&root).iter().all(|f| f.code == "trash"), "point {point}");
        for info in store.list().unwrap() {
            name_in(&store, &info.id.to_string().replace("layer ", "")).unwrap();
        }
        remove_all(&store, &root);
        if status.success() {
            assert!(point > 16, "only {point} points");
            break;
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}
