//! Commands that fail at one of their mutations, or run out of room there for
//! good: the error is one clear line, the store is as before, and the command
//! works when it is given again.
//!
//! A few mutations of each command are tried, others on each driver;
//! `SAPWOOD_FAULTS=all` tries all kinds of them. Needs root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use sapwood_crash::{Fault, Points};
use support::scenarios::{ALL, Scenario};
use support::{Bench, Ended};

const FAULTS: [Fault; 3] = [Fault::Io, Fault::NoSpace, Fault::Full];

/// Of how many mutations one is tried.
const ONE_OF: usize = 10;

/// Which are tried, and what happens there.
fn tried(points: &Points, first: usize) -> Vec<(usize, Fault)> {
    let kinds = points.distinct();
    if std::env::var_os("SAPWOOD_FAULTS").is_some_and(|all| all == "all") {
        return kinds.iter().flat_map(|nth| FAULTS.map(|fault| (*nth, fault))).collect();
    }
    let some = kinds.iter().skip(first % ONE_OF).step_by(ONE_OF);
    some.zip(FAULTS.iter().cycle().skip(first)).map(|(nth, fault)| (*nth, *fault)).collect()
}

/// One line that says what the kernel said, or another reason in words; before it
/// a warning, perhaps, of what that led to.
fn assert_clear(ended: &Ended, what: &str) {
    let lines = ended.stderr.lines().count();
    let Some(status) = ended.status.code() else { panic!("{what}: {}", ended.status) };
    if status == 0 {
        // What can't be deleted now may be told, and is deleted later.
        assert!(lines <= 1, "{what}: {}", ended.stderr);
        return;
    }
    let warnings =
        ended.stderr.lines().filter(|line| line.trim_start().starts_with("WARN")).count();
    assert_eq!(lines - warnings.min(1), 1, "{what}: one line, not: {}", ended.stderr);
    assert!([1, 125].contains(&status), "{what}: {status}: {}", ended.stderr);
    let reasons = ["Input/output error", "No space left on device"];
    let told = reasons.iter().any(|reason| ended.stderr.contains(reason));
    assert!(told, "{what}: no reason: {}", ended.stderr);
}

fn fails(bench: &Bench, scenario: &Scenario, (nth, fault): (usize, Fault)) {
    (scenario.prepare)(bench);
    let command = scenario.command(bench);
    let (before, images) = (bench.layers(), bench.images());
    let ended = bench.with_fault(&command, nth, fault);
    let at = ended.points.names().get(nth - 1).cloned().unwrap_or_default();
    let what = format!("{} {fault:?} at {nth}, {at}", scenario.name);
    assert_clear(&ended, &what);
    bench.note_containers();
    bench.assert_sound(&before, &what);
    // A removal that fails while it deletes has removed all the same.
    if !ended.status.success() && !["rmi", "prune"].contains(&scenario.name) {
        let mut now = bench.images();
        // What was lent may have become ours before: it has no name, and goes with
        // the next prune.
        if scenario.name == "run-lent" {
            now.remove(":");
        }
        assert_eq!(now, images, "{what}: {}", ended.stderr);
    }
    (scenario.repeat)(bench, &command);
    (scenario.undo)(bench);
    bench.assert_at_rest(&what);
}

fn fails_anywhere(driver: &'static str, name: &str) {
    let scenario = Scenario::named(name);
    let bench = Bench::on(driver);
    (scenario.prepare)(&bench);
    let whole = bench.with_fault(&scenario.command(&bench), 0, Fault::None);
    assert!(whole.status.success(), "{}", whole.stderr);
    (scenario.undo)(&bench);
    bench.assert_at_rest("nothing went wrong");
    let first = ALL.iter().position(|s| s.name == name).unwrap_or(0) * 2 + driver.len();
    for choice in tried(&whole.points, first) {
        fails(&bench, scenario, choice);
    }
}

macro_rules! on_each_driver {
    ($($case:ident: $name:literal)*) => {
        mod vfs {
            $(#[test] fn $case() { super::fails_anywhere("vfs", $name); })*
        }
        mod overlay2 {
            $(#[test] fn $case() { super::fails_anywhere("overlay2", $name); })*
        }
        #[test]
        fn every_command_has_its_test() {
            let tested = [$($name),*];
            assert_eq!(tested.to_vec(), ALL.iter().map(|s| s.name).collect::<Vec<_>>());
        }
    };
}

on_each_driver! {
    load_fails_anywhere: "load"
    load_from_a_pipe_fails_anywhere: "load-piped"
    rmi_fails_anywhere: "rmi"
    run_fails_anywhere: "run"
    run_that_removes_fails_anywhere: "run-rm"
    rm_fails_anywhere: "rm"
    import_fails_anywhere: "import"
    commit_fails_anywhere: "commit"
    save_fails_anywhere: "save"
    prune_fails_anywhere: "prune"
    import_from_fails_anywhere: "import-from"
    run_of_what_is_lent_fails_anywhere: "run-lent"
}
