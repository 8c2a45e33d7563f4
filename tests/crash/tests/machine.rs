//! Power cuts of a whole machine: a virtual one loads and removes an image, on a
//! disk of its own, until it is killed. Then the disk is looked at from outside:
//! each recorded layer is whole, what was recorded before is still there, and the
//! next commands work. The same disk goes through all cuts.
//!
//! Needs root, loop devices and User-mode Linux. `SAPWOOD_MACHINE_CUTS` is how many.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "how many cuts hit what is worth to be known")]

mod support;

use std::fs;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sapwood_e2e::Sapwood;
use sapwood_kit::mount::in_private_namespace;
use sapwood_vm::{Machine, not_run};
use support::disk::{format, is_whole_after_a_cut, mount, unmount};
use support::{BIG, Bench, eventually, pause};

/// Notes each step before and after it, where the host can read it.
const COME_AND_GO: &str = r#"
    note() { echo $1 >> $SAPWOOD_VM_OUTPUT/steps; }
    while :; do
        note loading
        "$@" load -q -i $ARCHIVE || note failed
        note loaded
        note removing
        "$@" rmi $IMAGE || note failed
        note removed
    done
"#;

fn cuts() -> u32 {
    std::env::var("SAPWOOD_MACHINE_CUTS").map_or(3, |n| n.parse().unwrap())
}

/// A machine's disk, where it is mounted on either side, and what the machine
/// tells.
struct Disk {
    file: PathBuf,
    place: PathBuf,
    told: PathBuf,
}

impl Disk {
    fn new(dir: &Path) -> Self {
        let disk =
            Self { file: dir.join("disk.img"), place: dir.join("store"), told: dir.join("told") };
        fs::create_dir(&disk.place).unwrap();
        fs::create_dir(&disk.told).unwrap();
        format(&disk.file);
        mount(&disk.file, &disk.place);
        disk
    }

    fn steps(&self) -> Vec<String> {
        let steps = fs::read_to_string(self.told.join("steps")).unwrap_or_default();
        steps.lines().map(str::to_owned).collect()
    }

    /// Whether a process has the disk.
    fn is_open(&self) -> bool {
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        // A process may end while it is looked at.
        let files = processes.filter_map(|path| fs::read_dir(path.join("fd")).ok());
        let mut opened = files.flatten().filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        opened.any(|path| path == self.file)
    }
}

fn start(disk: &Disk, bench: &Bench) -> Child {
    let sapwood = bench.sapwood.command();
    let binary = Path::new(sapwood.get_program()).canonicalize().unwrap();
    let mut machine = Command::new(binary.with_file_name("sapwood-vm"));
    machine.args(["run", "--mem", "512M", "--module", "overlay", "--output"]).arg(&disk.told);
    let place = format!("{}:ext4:{}", disk.file.display(), disk.place.display());
    machine.args(["--disk", &place, "--share"]).arg(bench.archives.path());
    machine.arg("--share").arg(binary.parent().unwrap());
    machine.args(["--env", &format!("ARCHIVE={}", bench.archive("big.tar"))]);
    machine.args(["--env", &format!("IMAGE={BIG}")]);
    machine.args(["/bin/sh", "-c", COME_AND_GO, "sh"]).arg(&binary).args(sapwood.get_args());
    // No signal of a terminal: whatever ends it is a cut.
    machine.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    machine.spawn().unwrap()
}

/// Runs a machine until some time after it has begun, and gives its last step.
fn cut(disk: &Disk, bench: &Bench, n: u32) -> String {
    match fs::remove_file(disk.told.join("steps")) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => panic!("{e}"),
        _ => {}
    }
    let mut machine = start(disk, bench);
    eventually("it begins", || {
        assert_eq!(machine.try_wait().unwrap(), None, "the machine has ended");
        (!disk.steps().is_empty()).then_some(())
    });
    // No common measure with what the commands take.
    pause(Duration::from_millis(u64::from(31 + n * 397 % 1999)));
    machine.kill().unwrap();
    machine.wait().unwrap();
    eventually("its processes are gone", || (!disk.is_open()).then_some(()));
    let steps = disk.steps();
    assert!(!steps.iter().any(|step| step == "failed"), "{steps:?}");
    steps.last().unwrap().clone()
}

fn go_through_cuts(disk: &Disk, bench: &Bench) {
    let mut inside = 0;
    for n in 0..cuts() {
        unmount(&disk.place);
        let step = cut(disk, bench, n);
        mount(&disk.file, &disk.place);
        let there = match step.as_str() {
            "loaded" => Some(true),
            "removed" => Some(false),
            _ => None,
        };
        inside += u32::from(there.is_none());
        is_whole_after_a_cut(bench, there, &format!("cut {n} after {step}"));
    }
    println!("{}: {} cuts, {inside} inside a command", bench.driver, cuts());
    assert!(inside > 0, "no cut hit a command");
}

fn a_machine_is_killed_at_any_moment(driver: &'static str) {
    if let Err(error) = Machine::new().module("overlay").check() {
        return not_run(&error.to_string()).unwrap();
    }
    // Where the machine can have a mount, and where paths mean the same.
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let failed = in_private_namespace(|| {
        let disk = Disk::new(dir.path());
        let go = || {
            let bench = Bench::with(Sapwood::on_at(driver, &disk.place), driver);
            go_through_cuts(&disk, &bench);
        };
        let failed = catch_unwind(AssertUnwindSafe(go)).err();
        unmount(&disk.place);
        Ok(failed)
    });
    if let Some(panic) = failed.unwrap() {
        resume_unwind(panic);
    }
}

#[test]
fn a_machine_is_killed_at_any_moment_vfs() {
    a_machine_is_killed_at_any_moment("vfs");
}

#[test]
fn a_machine_is_killed_at_any_moment_overlay2() {
    a_machine_is_killed_at_any_moment("overlay2");
}
