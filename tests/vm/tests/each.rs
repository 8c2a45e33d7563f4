//! Every test of a binary in a process of its own, in one machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use sapwood_vm::{Ended, SuiteReport};

use crate::support::machine;

/// Speaks libtest's interface, and does what no test should.
const BINARY: &str = r#"#!/bin/sh
case "$*" in
*--list*--ignored*) echo "asleep: test" ;;
*--list*)
    for name in passes fails asleep leaves_a_process is_alone hangs reports $LAST; do
        echo "$name: test"
    done
    echo "slow: benchmark" ;;
"passes --exact"*) [ "$NEXTEST_BINARY_ID $NEXTEST_TEST_NAME" = "fixture passes" ] ;;
"fails --exact"*) echo "what went wrong"; exit 101 ;;
"leaves_a_process --exact"*) (exec setsid sleep 1000) & ;;
"is_alone --exact"*) ! grep -l ^sleep /proc/[0-9]*/comm /proc/[0-9]*/cmdline ;;
"hangs --exact"*) setsid sleep 1000 & while :; do :; done ;;
"reports --exact"*) echo "NOT RUN: $NEXTEST_BINARY_ID::$NEXTEST_TEST_NAME: no moon" >> "$SAPWOOD_NOT_RUN" ;;
"crashes --exact"*) echo "last words"; echo c > /proc/sysrq-trigger ;;
"after --exact"*) ;;
*) exit 99 ;;
esac
"#;

fn run(last: &str) -> Option<SuiteReport> {
    let machine = machine()?;
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("binary");
    fs::write(&binary, BINARY).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    let machine = machine.test_deadline(Duration::from_secs(3)).env("LAST", last);
    Some(machine.run_each("fixture", &binary, &[""; 0]).unwrap())
}

fn outcomes(report: &SuiteReport) -> Vec<(&str, Option<Ended>)> {
    report.tests().iter().map(|test| (test.name.as_str(), test.ended.clone())).collect()
}

const PASSED: Option<Ended> = Some(Ended::Exited(0));

#[test]
fn each_test_has_its_own_outcome() {
    let Some(report) = run("after") else { return };
    let expected = [
        ("passes", PASSED),
        ("fails", Some(Ended::Exited(101))),
        ("asleep", None),
        ("leaves_a_process", PASSED),
        ("is_alone", PASSED),
        ("hangs", Some(Ended::TimedOut(Duration::from_secs(3)))),
        ("reports", PASSED),
        ("after", PASSED),
    ];
    assert_eq!(outcomes(&report), expected, "{report}");
    assert!(!report.is_success());
    assert_eq!(report.machine().not_run(), ["NOT RUN: fixture::reports: no moon"]);
    assert_eq!(report.log_of("fails"), "what went wrong");
    let text = report.to_string();
    assert!(text.contains("FAILED  fails") && text.contains("what went wrong"), "{text}");
}

#[test]
fn a_test_that_takes_the_kernel_with_it_is_named() {
    let Some(report) = run("crashes after") else { return };
    let Some(last) = report.tests().last() else { panic!("{report}") };
    assert_eq!(last.name, "crashes", "{report}");
    assert!(matches!(last.ended, Some(Ended::Panicked(_))), "{report}");
    assert!(report.log_of("crashes").contains("last words"), "{report}");
    assert!(report.tests().iter().any(|test| test.name == "passes" && test.ended == PASSED));
    assert!(!report.is_success());
}

#[test]
fn nothing_run_is_no_success() {
    let Some(machine) = machine() else { return };
    let own = env::current_exe().unwrap();
    let report = machine.run_each("each", &own, &["no test has this name"]).unwrap();
    assert_eq!(outcomes(&report), []);
    assert!(!report.is_success());
}

/// The real libtest, and the filter that it gets.
#[test]
fn a_real_test_binary_runs() {
    let Some(machine) = machine() else { return };
    if env::var_os(sapwood_vm::VM_ENV).is_some() {
        return;
    }
    let own = env::current_exe().unwrap();
    let report = machine.run_each("each", &own, &["--exact", "a_real_test_binary_runs"]).unwrap();
    assert_eq!(outcomes(&report), [("a_real_test_binary_runs", PASSED)], "{report}");
}
