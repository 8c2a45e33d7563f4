//! Looking at layers, where looking fails at each of its mutations: nothing is
//! called damaged for that, nothing is removed, and nothing stays behind. Needs
//! root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use sapwood_crash::Fault;
use support::{BOX, Bench, Ended};

const FAULTS: [Fault; 3] = [Fault::Io, Fault::NoSpace, Fault::Full];

const CHECK: [&str; 3] = ["storage", "check", "--content"];
const REPAIR: [&str; 3] = ["storage", "repair", "--prune-damaged"];

fn command(bench: &Bench, words: [&str; 3]) -> Command {
    let mut command = bench.sapwood.command();
    command.args(words);
    command
}

/// What lies in the driver's folders of nodes, and of what is thrown away.
fn nodes(bench: &Bench) -> Vec<PathBuf> {
    let folders = ["drafts", "layers", "making", "mounts", "tickets", "trash"];
    let folders = folders.map(|name| bench.driver_root().join(name));
    let list = |dir: &PathBuf| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = folders.iter().flat_map(list).collect();
    found.sort();
    found
}

/// Of how many kinds of mutations one is tried.
const ONE_OF: usize = 12;

/// Tries it at some of the mutations, with each fault in turn, and cleans up
/// after each; `SAPWOOD_FAULTS=all` tries all kinds of them.
fn fails_anywhere(
    bench: &Bench,
    words: [&str; 3],
    prepare: &dyn Fn(&Bench),
    judge: &dyn Fn(&Ended, &str),
) {
    prepare(bench);
    let whole = bench.with_fault(&command(bench, words), 0, Fault::None);
    assert!(whole.status.success(), "{}{}", whole.stdout, whole.stderr);
    let rest = nodes(bench);
    let mut failed = 0;
    let all = std::env::var_os("SAPWOOD_FAULTS").is_some_and(|all| all == "all");
    let (first, step) = if all { (0, 1) } else { (bench.driver.len() % ONE_OF, ONE_OF) };
    for (n, nth) in whole.points.distinct().into_iter().enumerate().skip(first).step_by(step) {
        let fault = FAULTS[(n / step) % FAULTS.len()];
        prepare(bench);
        let before = bench.layers();
        let ended = bench.with_fault(&command(bench, words), nth, fault);
        let at = ended.points.names().get(nth - 1).cloned().unwrap_or_default();
        let what = format!("{words:?} {fault:?} at {nth}, {at}: {}{}", ended.stdout, ended.stderr);
        assert!(!ended.was_killed(), "{what}");
        judge(&ended, &what);
        failed += usize::from(!ended.status.success());
        assert!(bench.images().contains(BOX), "{what}");
        assert_eq!(bench.layers(), before, "{what}");
        bench.sapwood.ok(["storage", "gc"]);
        bench.sapwood.ok(REPAIR);
        let check = bench.sapwood.ok(["storage", "check"]);
        assert!(check.contains("nothing is wrong, 0 leftovers"), "{what}: {check}");
        let left = nodes(bench);
        assert_eq!(left, rest, "{what}");
    }
    assert!(failed > 0, "nothing failed");
}

fn a_check_that_fails_finds_no_damage(driver: &'static str) {
    let bench = Bench::on(driver);
    fails_anywhere(&bench, CHECK, &|_| (), &|ended, what| {
        assert!(!ended.stdout.contains("layer-"), "{what}");
        assert!([Some(0), Some(125)].contains(&ended.status.code()), "{what}");
    });
}

/// With an account that is wrong, a repair looks at the whole layer.
fn a_repair_that_fails_gives_nothing_up(driver: &'static str) {
    let bench = Bench::on(driver);
    let db = bench.sapwood.root().join("engine").join(driver).join("metadata.db");
    let miscount = |_: &Bench| {
        let db = rusqlite::Connection::open(&db).unwrap();
        db.execute("UPDATE layer SET content = content + 1", ()).unwrap();
    };
    fails_anywhere(&bench, REPAIR, &miscount, &|ended, what| {
        assert!(!ended.stdout.contains("NOT SAVED"), "{what}");
    });
}

mod vfs {
    #[test]
    fn a_check_that_fails_finds_no_damage() {
        super::a_check_that_fails_finds_no_damage("vfs");
    }

    #[test]
    fn a_repair_that_fails_gives_nothing_up() {
        super::a_repair_that_fails_gives_nothing_up("vfs");
    }
}

mod overlay2 {
    #[test]
    fn a_check_that_fails_finds_no_damage() {
        super::a_check_that_fails_finds_no_damage("overlay2");
    }

    #[test]
    fn a_repair_that_fails_gives_nothing_up() {
        super::a_repair_that_fails_gives_nothing_up("overlay2");
    }
}
