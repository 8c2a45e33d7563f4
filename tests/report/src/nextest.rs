//! Every test of every crate, on this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use sapwood_vm::NOT_RUN_ENV;

use crate::Request;
use crate::command::{cargo, packages, read, show};
use crate::error::Error;
use crate::listing::Listing;
use crate::tally::{Outcome, Row, Tally};
use crate::{junit, not_run};

/// Where .config/nextest.toml puts the report.
const REPORT: &str = "target/nextest/default/junit.xml";

/// Builds every program and every test. Returns what there is to run, or nothing if it could not
/// be built: then that is the failure.
pub(crate) fn build(request: &Request, tally: &mut Tally) -> Result<Option<Listing>, Error> {
    // Tests start programs of other crates, which building the tests alone would leave as they
    // were: then yesterday's program passes today's tests.
    let mut programs = cargo(request, &["build", "--locked", "--workspace", "--bins"]);
    let (built, duration) = show("programs", &mut programs)?;
    if !built.success() {
        tally.add_one("build", Outcome::Failed, duration);
        return Ok(None);
    }
    let mut list = cargo(request, &["nextest", "list", "--locked", "--message-format", "json"]);
    packages(request, &mut list);
    let (listed, duration) = read("build of the tests", &mut list)?;
    if !listed.status.success() {
        tally.add_one("build", Outcome::Failed, duration);
        return Ok(None);
    }
    Listing::parse(&listed.stdout).map(Some)
}

/// Runs what was built, and adds a row for each test binary.
pub(crate) fn run(request: &Request, listing: &Listing, tally: &mut Tally) -> Result<(), Error> {
    let mut rows = tests(request)?;
    for (suite, test) in listing.ignored() {
        add(&mut rows, suite, test);
    }
    tally.rows.append(&mut rows);
    Ok(())
}

fn tests(request: &Request) -> Result<Vec<Row>, Error> {
    let report = request.root.join(REPORT);
    forget(&report)?;
    let folder = tempfile::tempdir().map_err(Error::during("create a folder"))?;
    let not_run_file = folder.path().join("not-run");
    fs::write(&not_run_file, "").map_err(Error::at(&not_run_file))?;
    let words = ["nextest", "run", "--locked", "--show-progress=none", "--status-level=fail"];
    let mut run = cargo(request, &words);
    packages(request, &mut run);
    let (status, duration) = show("tests", run.env(NOT_RUN_ENV, &not_run_file))?;
    let xml = fs::read_to_string(&report).map_err(Error::at(&report))?;
    let mut rows = junit::parse(&xml)?;
    let lines = fs::read_to_string(&not_run_file).map_err(Error::at(&not_run_file))?;
    not_run::reconcile(&mut rows, &lines);
    let explained = rows.iter().any(|row| row.count(|outcome| *outcome == Outcome::Failed) > 0);
    if !status.success() && !explained {
        // An interrupted run, or a report that hides something.
        rows.push(failed(&format!("nextest {status}"), duration));
    }
    Ok(rows)
}

fn failed(name: &str, duration: Duration) -> Row {
    let tests = vec![(name.to_owned(), Outcome::Failed)];
    Row { suite: name.to_owned(), tests, duration }
}

/// The report of a run before must not pass for this one's.
fn forget(report: &Path) -> Result<(), Error> {
    match fs::remove_file(report) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::at(report)(error)),
        _ => Ok(()),
    }
}

/// `#[ignore]` is no secret.
fn add(rows: &mut Vec<Row>, suite: &str, test: &str) {
    let entry = (test.to_owned(), Outcome::NotRun("its author marked it #[ignore]".to_owned()));
    let names: BTreeSet<&str> = rows.iter().map(|row| row.suite.as_str()).collect();
    if !names.contains(suite) {
        rows.push(Row { suite: suite.to_owned(), ..Row::default() });
    }
    rows.iter_mut().filter(|row| row.suite == suite).for_each(|row| row.tests.push(entry.clone()));
}
