//! Eight that load, run, remove and prune at once for a while: each command
//! works or says one of the reasons that a user would have given it, and what
//! is there in the end is whole and goes without a trace. Needs root.
//!
//! `SAPWOOD_TOGETHER_SECONDS` is how long.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::process::Output;
use std::time::{Duration, Instant};

use support::{BIG, BOX, Bench};

const WORKERS: u64 = 8;

/// What one may be told because of what the others did.
const REASONS: [&str; 6] = [
    "no such image: ",
    "no such container: ",
    "uses its image",
    "is running",
    "is in use by the container",
    // Another `rm` of the same container.
    "in use by another caller",
];

fn seconds() -> u64 {
    std::env::var("SAPWOOD_TOGETHER_SECONDS").map_or(8, |n| n.parse().unwrap())
}

/// Marsaglia's xorshift: the same order every time, as far as the kernel lets.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// Something that somebody might do.
fn command(bench: &Bench, dice: &mut Dice) -> Vec<String> {
    let archive = |name| bench.archive(name);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match dice.roll(10) {
        0 => words(&["load", "-q", "-i", &archive("box.tar")]),
        1 => words(&["load", "-q", "-i", &archive("big.tar")]),
        2 => words(&["load", "-q", "-i", &archive("big.oci.tar")]),
        3 => words(&["rmi", "-f", BIG]),
        4 => words(&["rmi", BOX]),
        5 => words(&["run", "--rm", BOX, "sh", "-c", "echo x > /file; ls /bin/sh"]),
        6 => words(&["run", "--name", &format!("c{}", dice.roll(4) + 10), BOX, "true"]),
        7 => words(&["rm", &format!("c{}", dice.roll(4) + 10)]),
        8 => words(&["image", "prune", "-a", "-f"]),
        _ => words(&["container", "prune", "-f"]),
    }
}

fn judge(args: &[String], done: &Output) {
    let said = String::from_utf8_lossy(&done.stderr);
    if done.status.success() {
        return;
    }
    assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
    let excused = REASONS.iter().any(|reason| said.contains(reason));
    assert!(excused, "{args:?}: {}: {said}", done.status);
}

fn work(bench: &Bench, seed: u64, until: Instant) -> usize {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut count = 0;
    while Instant::now() < until {
        let args = command(bench, &mut dice);
        judge(&args, &bench.sapwood.output(&args));
        count += 1;
    }
    count
}

fn eight_at_once(driver: &'static str) {
    let bench = Bench::on(driver);
    let until = Instant::now() + Duration::from_secs(seconds());
    let commands: usize = std::thread::scope(|scope| {
        let start = |seed| {
            scope.spawn({
                let bench = &bench;
                move || work(bench, seed, until)
            })
        };
        let workers: Vec<_> = (1..=WORKERS).map(start).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(commands > 8, "{commands}");
    bench.assert_sound_without_images("eight at once");
    bench.sapwood.ok(["container", "prune", "-f"]);
    bench.sapwood.ok(["image", "prune", "-a", "-f"]);
    bench.load("box.tar");
    bench.assert_at_rest("eight at once");
}

#[test]
fn eight_at_once_vfs() {
    eight_at_once("vfs");
}

#[test]
fn eight_at_once_overlay2() {
    eight_at_once("overlay2");
}
