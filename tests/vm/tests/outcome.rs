//! Each way in which a machine can end is told from the others, and leaves no process behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use sapwood_vm::{Ended, Error, Size};

use crate::support::{machine, processes_with, sh};

#[test]
fn the_exit_status_and_the_output_come_back() {
    let Some(machine) = machine() else { return };
    let report = sh(&machine, "echo to stdout; echo to stderr >&2; exit 42");
    assert_eq!(report.ended(), &Ended::Exited(42), "{report}");
    assert!(report.log().contains("\nto stderr\n"), "{report}");
    assert!(report.log().contains("to stdout\n"), "{report}");
}

#[test]
fn a_signal_comes_back() {
    let Some(machine) = machine() else { return };
    let report = sh(&machine, "kill -11 $$");
    assert_eq!(report.ended(), &Ended::Signaled(11), "{report}");
}

#[test]
fn much_output_arrives_whole() {
    let Some(machine) = machine() else { return };
    let report = sh(&machine, "seq 1 100000");
    let log = report.log();
    let numbers = log.lines().filter_map(|line| line.parse::<u32>().ok());
    assert!(numbers.eq(1..=100_000), "{report}");
}

#[test]
fn a_kernel_panic_is_reported_with_its_words() {
    let Some(machine) = machine() else { return };
    let report = sh(&machine, "echo c > /proc/sysrq-trigger");
    let Ended::Panicked(words) = report.ended() else { panic!("{report}") };
    assert!(words.contains("sysrq triggered crash"), "{words}");
    assert_eq!(report.ended().exit_status(), 125);
}

/// The helper is wrapped, so that it does its work outside and ends at once as init.
#[test]
fn the_end_of_init_is_no_kernel_panic() {
    let Some(machine) = machine() else { return };
    let folder = tempfile::tempdir().unwrap();
    let wrapper = folder.path().join("helper");
    let helper = env!("CARGO_BIN_EXE_sapwood-vm");
    let script = format!("#!/bin/sh\n[ \"$1\" = guest ] && exit 3\nexec {helper} \"$@\"\n");
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let report = sh(&machine.helper(wrapper), "true");
    let Ended::InitDied(words) = report.ended() else { panic!("{report}") };
    assert!(words.contains("exitcode=0x00000300"), "{words}");
}

#[test]
fn a_hang_is_ended_at_its_deadline_and_nothing_is_left() {
    let Some(machine) = machine() else { return };
    let deadline = Duration::from_secs(10);
    // Processes that wait and one that computes: the latter outlives a killed kernel.
    let script = "echo up; sleep 1000 & sleep 1000 & while :; do :; done";
    let report = sh(&machine.deadline(deadline), script);
    assert_eq!(report.ended(), &Ended::TimedOut(deadline), "{report}");
    assert!(report.log().contains("up\n"), "it was still booting: {report}");
    assert!(report.duration() < deadline + Duration::from_secs(3), "{:?}", report.duration());
    let directory = report.log_file().parent().unwrap().to_str().unwrap();
    assert_eq!(processes_with(directory), Vec::<i32>::new());
}

#[test]
fn a_program_that_cannot_be_started_is_the_setups_failure() {
    let Some(machine) = machine() else { return };
    let error = machine.run(Path::new("/etc/passwd"), &[""]).unwrap_err();
    let Error::Setup(what) = &error else { panic!("{error}") };
    assert!(what.contains("/etc/passwd") && what.contains("Permission denied"), "{what}");
    let error = machine.run(Path::new("/no/such/program"), &[""]).unwrap_err();
    assert!(error.to_string().contains("/no/such/program"), "{error}");
}

#[test]
fn an_unknown_module_is_named() {
    let Some(machine) = machine() else { return };
    let machine = machine.module("no-such-module");
    let error = machine.run(Path::new("/bin/true"), &[""]).unwrap_err();
    assert!(error.to_string().contains("no-such-module"), "{error}");
}

/// The kernel must not touch more than it has; the host's memory is not the guest's.
#[test]
fn memory_is_limited() {
    let Some(machine) = machine() else { return };
    let report = sh(&machine.memory(Size::mib(256)), "grep MemTotal /proc/meminfo");
    let log = report.log();
    let line = log.lines().find(|line| line.starts_with("MemTotal")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((150_000..262_144).contains(&kib), "{line}");
}
