//! A workspace in which every kind of outcome occurs, run and counted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use sapwood_report::{Outcome, Request, Tally, render, test};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

fn outcome<'a>(tally: &'a Tally, suite: &str, test: &str) -> &'a Outcome {
    let found = tally.rows.iter().filter(|row| row.suite == suite);
    let mut found = found.flat_map(|row| &row.tests).filter(|(name, _)| name == test);
    let found = found.next().map(|(_, outcome)| outcome);
    found.unwrap_or_else(|| panic!("no {suite}::{test} in\n{}", render(tally)))
}

#[test]
fn every_outcome_is_counted_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/workspace"), folder.path());
    let request = Request { root: folder.path().to_owned(), ..Request::default() };
    let tally = test(&request).unwrap();

    for check in ["fmt", "clippy", "rustdoc"] {
        assert_eq!(outcome(&tally, check, check), &Outcome::Passed);
    }
    assert_eq!(outcome(&tally, "doc tests", "an example"), &Outcome::Passed);
    assert_eq!(outcome(&tally, "good", "tests::passes"), &Outcome::Passed);
    assert_eq!(outcome(&tally, "good", "tests::fails"), &Outcome::Failed);
    let not_run = |reason: &str| Outcome::NotRun(reason.to_owned());
    assert_eq!(outcome(&tally, "good", "tests::reports_itself"), &not_run("no moon"));
    let ignored = outcome(&tally, "good", "tests::ignored");
    assert_eq!(ignored, &not_run("its author marked it #[ignore]"));
    for nothing in ["good::nothing: no test in it", "package empty: no test in it"] {
        assert_eq!(outcome(&tally, nothing, nothing), &Outcome::Failed);
    }
    for renamed in ["a suite that was renamed", "a suite on a machine that was renamed"] {
        assert_eq!(outcome(&tally, renamed, renamed), &Outcome::Failed);
    }
    if sapwood_vm::Machine::new().check().is_ok() {
        assert_eq!(outcome(&tally, "good in a guest", "tests::passes"), &Outcome::Passed);
    }
    assert!(!tally.is_success());

    let text = render(&tally);
    let (passed, failed, skipped) = tally.counts();
    let last = format!("{passed} passed, {failed} failed, {skipped} skipped");
    assert_eq!(text.lines().last(), Some(last.as_str()));
}
