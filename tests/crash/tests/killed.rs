//! Commands that are killed with SIGKILL, at their mutations and at any time:
//! the next command mends what they left, no committed layer has changed, the
//! command works when it is given again, and the room is free in the end.
//!
//! `SAPWOOD_KILLS` is how often in all; `SAPWOOD_KILLS_REPORT` names a file
//! that is told where each hit. Needs root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use sapwood_crash::{Fault, Points};
use support::scenarios::{ALL, Scenario};
use support::{Bench, Ended};

/// All commands on two drivers share this many kills.
fn kills() -> usize {
    let all: usize = std::env::var("SAPWOOD_KILLS").map_or(56, |n| n.parse().unwrap());
    all.div_ceil(2 * ALL.len())
}

/// When to kill.
#[derive(Debug, Clone, Copy)]
enum Moment {
    At(usize, Fault),
    After(Duration),
}

/// Three of four at mutations, spread over all of them; the engine alone and
/// with its monitor by turns. Every fourth at any time.
fn moments(count: usize, points: usize, time: Duration) -> Vec<Moment> {
    let share = |n: usize, of: usize| (n * of * 2 + of) / (2 * count) + 1;
    let moment = |n: usize| match n % 4 {
        3 => {
            let part = u32::try_from(n * 2 + 1).unwrap();
            Moment::After(time * part / u32::try_from(2 * count).unwrap())
        }
        1 => Moment::At(share(n, points), Fault::KillAll),
        _ => Moment::At(share(n, points), Fault::Kill),
    };
    (0..count).map(moment).collect()
}

fn kill(bench: &Bench, scenario: &Scenario, moment: Moment) -> Ended {
    (scenario.prepare)(bench);
    let command = scenario.command(bench);
    let before = bench.layers();
    let ended = match moment {
        Moment::At(nth, fault) => bench.with_fault(&command, nth, fault),
        Moment::After(time) => bench.kill_after(&command, time),
    };
    let what = format!("{} {moment:?} before {}", scenario.name, ended.points.last());
    bench.note_containers();
    bench.assert_sound(&before, &what);
    (scenario.repeat)(bench, &command);
    (scenario.undo)(bench);
    bench.assert_at_rest(&what);
    ended
}

/// Whether it had begun to change something and hadn't ended.
fn is_inside(ended: &Ended, whole: &Points) -> bool {
    let passed = ended.points.names().len();
    ended.was_killed() && passed > 1 && passed <= whole.names().len()
}

fn is_killed_anywhere(driver: &'static str, name: &str) {
    let scenario = Scenario::named(name);
    let bench = Bench::on(driver);
    (scenario.prepare)(&bench);
    let command = scenario.command(&bench);
    let begun = Instant::now();
    let whole = bench.with_fault(&command, 0, Fault::None);
    let time = begun.elapsed();
    assert!(whole.status.success(), "{}", whole.stderr);
    (scenario.undo)(&bench);
    bench.assert_at_rest("nothing went wrong");

    let moments = moments(kills(), whole.points.names().len(), time);
    let (mut inside, mut phases) = (0, BTreeMap::new());
    for moment in &moments {
        let ended = kill(&bench, scenario, *moment);
        if is_inside(&ended, &whole.points) {
            inside += 1;
            *phases.entry(ended.points.last().to_owned()).or_insert(0) += 1;
        }
    }
    report(&format!("{driver} {name}: {} kills, {inside} inside: {phases:?}", moments.len()));
    assert!(inside * 2 >= moments.len(), "{inside} of {} hit a mutation", moments.len());
}

fn report(line: &str) {
    if let Some(path) = std::env::var_os("SAPWOOD_KILLS_REPORT") {
        let mut file = File::options().append(true).create(true).open(path).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

macro_rules! on_each_driver {
    ($($case:ident: $name:literal)*) => {
        mod vfs {
            $(#[test] fn $case() { super::is_killed_anywhere("vfs", $name); })*
        }
        mod overlay2 {
            $(#[test] fn $case() { super::is_killed_anywhere("overlay2", $name); })*
        }
        #[test]
        fn every_command_has_its_test() {
            let tested = [$($name),*];
            assert_eq!(tested.to_vec(), ALL.iter().map(|s| s.name).collect::<Vec<_>>());
        }
    };
}

on_each_driver! {
    load_is_killed_anywhere: "load"
    load_from_a_pipe_is_killed_anywhere: "load-piped"
    rmi_is_killed_anywhere: "rmi"
    run_is_killed_anywhere: "run"
    run_that_removes_is_killed_anywhere: "run-rm"
    rm_is_killed_anywhere: "rm"
    import_is_killed_anywhere: "import"
    commit_is_killed_anywhere: "commit"
    save_is_killed_anywhere: "save"
    prune_is_killed_anywhere: "prune"
    import_from_is_killed_anywhere: "import-from"
    run_of_what_is_lent_is_killed_anywhere: "run-lent"
}
