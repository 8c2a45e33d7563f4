//! A load and a run on a medium that is full after a while, at many whiles:
//! each says clearly that there's no room, leaves the store as it was, and
//! works when there is room again. Needs root; the medium is a tmpfs in a
//! private mount namespace.
//!
//! `SAPWOOD_SWEEP` is how many amounts of room are tried.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use sapwood_crash::Fault;
use sapwood_e2e::Sapwood;
use sapwood_kit::mount::{Detached, in_private_namespace};
use support::Bench;
use support::scenarios::Scenario;

/// What the medium holds.
const ROOM: u64 = 64 << 20;

fn tries() -> u64 {
    std::env::var("SAPWOOD_SWEEP").map_or(3, |n| n.parse().unwrap())
}

/// Has a store on a medium of its own, with everything of `run` on it too.
fn on_a_medium(driver: &'static str, test: impl FnOnce(&Bench) + Send) {
    let sapwood = Sapwood::on(driver);
    let failed = in_private_namespace(|| {
        Detached::tmpfs(ROOM).unwrap().attach(rustix::fs::CWD, sapwood.scratch()).unwrap();
        let run = || test(&Bench::with(sapwood, driver));
        Ok(catch_unwind(AssertUnwindSafe(run)).err())
    });
    if let Some(panic) = failed.unwrap() {
        resume_unwind(panic);
    }
}

fn free(bench: &Bench) -> u64 {
    let found = rustix::fs::statvfs(bench.sapwood.scratch()).unwrap();
    found.f_bavail * found.f_frsize
}

/// Leaves `room` bytes.
fn fill(bench: &Bench, room: u64) {
    let mut file = File::create(bench.sapwood.scratch().join("filling")).unwrap();
    for chunk in [1 << 20, 4096] {
        let chunk = vec![1; chunk];
        while free(bench) >= room + chunk.len() as u64 && file.write_all(&chunk).is_ok() {}
    }
}

fn has_room_again(bench: &Bench) {
    fs::remove_file(bench.sapwood.scratch().join("filling")).unwrap();
}

/// What the command needs at its most, more or less: what is gone when it has
/// ended.
fn needs(bench: &Bench, scenario: &Scenario) -> u64 {
    (scenario.prepare)(bench);
    let before = free(bench);
    let done = bench.with_fault(&scenario.command(bench), 0, Fault::None);
    assert!(done.status.success(), "{}", done.stderr);
    let after = free(bench);
    (scenario.undo)(bench);
    bench.assert_at_rest("there was room");
    before.saturating_sub(after) + (64 << 10)
}

fn runs_out_of_room(driver: &'static str, name: &str) {
    let scenario = Scenario::named(name);
    on_a_medium(driver, |bench| {
        let needs = needs(bench, scenario);
        let mut failed = 0;
        for n in 0..tries() {
            let room = needs * n / tries();
            let what = format!("{name} with {room} of {needs} bytes");
            (scenario.prepare)(bench);
            let (before, images) = (bench.layers(), bench.images());
            fill(bench, room);
            let ended = bench.with_fault(&scenario.command(bench), 0, Fault::None);
            if !ended.status.success() {
                failed += 1;
                assert_eq!(ended.stderr.lines().count(), 1, "{what}: {}", ended.stderr);
                let told = ended.stderr.contains("No space left") || ended.stderr.contains("full");
                assert!(told, "{what}: {}", ended.stderr);
            }
            has_room_again(bench);
            bench.note_containers();
            bench.assert_sound(&before, &what);
            if !ended.status.success() {
                assert_eq!(bench.images(), images, "{what}: {}", ended.stderr);
            }
            (scenario.repeat)(bench, &scenario.command(bench));
            (scenario.undo)(bench);
            bench.assert_at_rest(&what);
        }
        assert!(failed > 0, "{needs} bytes weren't needed");
    });
}

macro_rules! on_each_driver {
    ($($case:ident: $name:literal)*) => {
        mod vfs {
            $(#[test] fn $case() { super::runs_out_of_room("vfs", $name); })*
        }
        mod overlay2 {
            $(#[test] fn $case() { super::runs_out_of_room("overlay2", $name); })*
        }
    };
}

on_each_driver! {
    load_runs_out_of_room: "load"
    load_from_a_pipe_runs_out_of_room: "load-piped"
    run_runs_out_of_room: "run"
    import_runs_out_of_room: "import"
    commit_runs_out_of_room: "commit"
    import_from_runs_out_of_room: "import-from"
}
