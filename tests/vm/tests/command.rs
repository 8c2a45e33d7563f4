//! The command line: as a cargo runner, and what is left when it is killed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::support::{machine, processes_with};

fn vm() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sapwood-vm"))
}

fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// Standard output is the program's alone: cargo and nextest read lists of tests from it.
#[test]
fn run_passes_output_and_status_on() {
    if machine().is_none() {
        return;
    }
    let script = "echo out; echo err >&2; echo $A$B; exit 3";
    let words = ["run", "--mem", "256M", "--env", "A=1", "--env", "B", "/bin/sh", "-c", script];
    let output = output(vm().args(words).env("B", "2"));
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "out\n12\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("err\n"));
}

#[test]
fn mistakes_are_named_in_one_line() {
    for (words, status, named) in [
        (&["run", "--kernel", "/no/kernel", "/bin/true"][..], 125, "user-mode-linux"),
        (&["run", "--disk", "1X", "/bin/true"], 2, "1X"),
        (&["run", "--disk", "1M:ntfs", "/bin/true"], 2, "ntfs"),
        (&["run", "/no/program"], 125, "/no/program"),
    ] {
        let output = output(vm().args(words));
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{text}");
        assert!(text.contains(named), "{text}");
    }
}

#[test]
fn reports_of_what_did_not_run_are_passed_on() {
    if machine().is_none() {
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let script = "echo 'NOT RUN: a::b: no moon' >> $SAPWOOD_NOT_RUN";
    let output = output(
        vm().args(["run", "/bin/sh", "-c", script]).env(sapwood_vm::NOT_RUN_ENV, file.path()),
    );
    assert!(output.status.success());
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "NOT RUN: a::b: no moon\n");
}

/// A test runner that gives up kills the caller, not the machine.
#[test]
fn nothing_outlives_a_killed_caller() {
    if machine().is_none() {
        return;
    }
    let folder = tempfile::Builder::new().prefix("with space, ").tempdir().unwrap();
    let script = "echo up; sleep 1000 & while :; do :; done";
    let mut caller = vm()
        .args(["run", "/bin/sh", "-c", script])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_line(&mut caller, "up\n");
    // The kernel, its two helper threads, two processes of the guest, the supervisor.
    let pids = processes_with(folder.path().to_str().unwrap());
    assert!(pids.len() > 3, "{pids:?}");
    let open = |pid: &i32| pidfd_open(Pid::from_raw(*pid).unwrap(), PidfdFlags::empty()).ok();
    let processes: Vec<_> = pids.iter().filter_map(open).collect();
    caller.kill().unwrap();
    caller.wait().unwrap();
    for process in &processes {
        let mut fds = [PollFd::new(process, PollFlags::IN)];
        let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
        assert_eq!(poll(&mut fds, Some(&patience)).unwrap(), 1, "one is still there: {pids:?}");
    }
}

fn wait_for_line(child: &mut Child, wanted: &str) {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, wanted);
}
