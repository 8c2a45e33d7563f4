//! Power cuts: what the disk has at some moment of loads and removals, and
//! nothing that was only in memory. Whatever it is, each recorded layer is
//! whole, what was recorded before is still there, and the next commands work.
//!
//! The store lies on a disk of its own: ext4 on a file. A copy of that file is
//! what a power cut leaves of it: all that the file system had written out, in
//! order, and nothing of the page cache. The file lies on XFS, where it can be
//! cloned in one step while it is written. Needs root and loop devices.
//!
//! `SAPWOOD_POWER_CUTS` is how many.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sapwood_e2e::Sapwood;
use sapwood_kit::mount::in_private_namespace;
use support::disk::{format, is_whole_after_a_cut, mount, run, sparse, unmount};
use support::{BIG, Bench, pause};

fn cuts() -> u32 {
    std::env::var("SAPWOOD_POWER_CUTS").map_or(8, |n| n.parse().unwrap())
}

/// The disk's file, and where it is mounted.
struct Disk {
    outer: PathBuf,
    file: PathBuf,
    place: PathBuf,
}

impl Disk {
    fn new(dir: &Path) -> Self {
        let (outer, place) = (dir.join("outer"), dir.join("store"));
        fs::create_dir(&outer).unwrap();
        fs::create_dir(&place).unwrap();
        let file = dir.join("outer.img");
        sparse(&file, 2 << 30);
        run("mkfs.xfs", &["-q".as_ref(), &file]);
        mount(&file, &outer);
        let disk = Self { file: outer.join("disk.img"), outer, place };
        format(&disk.file);
        mount(&disk.file, &disk.place);
        disk
    }

    /// What a power cut would leave now.
    fn cut(&self, n: u32) -> PathBuf {
        let copy = self.outer.join(format!("cut-{n}.img"));
        run("cp", &["--reflink=always".as_ref(), &self.file, &copy]);
        copy
    }

    /// Another disk in its place.
    fn replace(&self, with: &Path) {
        unmount(&self.place);
        mount(with, &self.place);
    }
}

fn on_a_disk(driver: &'static str, test: impl FnOnce(&Disk, &Bench) + Send) {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let failed = in_private_namespace(|| {
        let disk = Disk::new(dir.path());
        let run_test = || {
            let bench = Bench::with(Sapwood::on_at(driver, &disk.place), driver);
            test(&disk, &bench);
        };
        let failed = catch_unwind(AssertUnwindSafe(run_test)).err();
        unmount(&disk.place);
        unmount(&disk.outer);
        Ok(failed)
    });
    if let Some(panic) = failed.unwrap() {
        resume_unwind(panic);
    }
}

/// What is certain of the image that comes and goes, and since which change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    /// `None` while a command is at it.
    there: Option<bool>,
    change: u32,
}

/// Loads and removes it until it is told to stop.
fn come_and_go(bench: &Bench, known: &Mutex<Known>, stop: &AtomicBool) {
    let note = |there| {
        let mut known = known.lock().unwrap();
        *known = Known { there, change: known.change + 1 };
    };
    while !stop.load(Ordering::SeqCst) {
        note(None);
        bench.load("big.tar");
        note(Some(true));
        pause(Duration::from_millis(20));
        note(None);
        bench.sapwood.ok(["rmi", BIG]);
        note(Some(false));
    }
}

/// A cut, and whether the image is certain to be on it.
struct Cut {
    file: PathBuf,
    there: Option<bool>,
}

fn cut_while_it_comes_and_goes(disk: &Disk, bench: &Bench) -> Vec<Cut> {
    let known = Mutex::new(Known { there: Some(false), change: 0 });
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| come_and_go(bench, &known, &stop));
        let cuts = (0..cuts()).map(|n| {
            // No common measure with what the commands take.
            pause(Duration::from_millis(u64::from(17 + n * 37 % 101)));
            let before = *known.lock().unwrap();
            let file = disk.cut(n);
            let after = *known.lock().unwrap();
            Cut { file, there: before.there.filter(|_| before == after) }
        });
        let cuts = cuts.collect();
        stop.store(true, Ordering::SeqCst);
        worker.join().unwrap();
        cuts
    })
}

fn a_power_cut_at_any_moment(driver: &'static str) {
    on_a_disk(driver, |disk, bench| {
        let cuts = cut_while_it_comes_and_goes(disk, bench);
        let certain = cuts.iter().filter(|cut| cut.there.is_some()).count();
        for (n, cut) in cuts.iter().enumerate() {
            disk.replace(&cut.file);
            is_whole_after_a_cut(bench, cut.there, &format!("cut {n}, {:?}", cut.there));
        }
        assert!(certain < cuts.len(), "no cut hit a command");
    });
}

#[test]
fn a_power_cut_at_any_moment_vfs() {
    a_power_cut_at_any_moment("vfs");
}

#[test]
fn a_power_cut_at_any_moment_overlay2() {
    a_power_cut_at_any_moment("overlay2");
}
