//! Suites that run once more in a virtual machine, as suites.toml lists them.

use std::fs;
use std::time::Duration;

use sapwood_vm::{Ended, Machine, SuiteReport};
use serde::Deserialize;

use crate::Request;
use crate::command::{announce, say};
use crate::error::Error;
use crate::listing::{Listing, Suite};
use crate::not_run;
use crate::tally::{Outcome, Row, Tally};

/// tests/report/suites.toml
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Guests {
    #[serde(default)]
    guest: Vec<Guest>,
}

/// A test binary, and the machine that it wants.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Guest {
    /// What it's called in the table.
    name: String,
    /// nextest's id of the binary.
    binary: String,
    /// Which of its tests: libtest's arguments.
    #[serde(default)]
    filters: Vec<String>,
    #[serde(default)]
    memory: Option<String>,
    #[serde(default)]
    modules: Vec<String>,
    #[serde(default)]
    disks: Vec<String>,
    #[serde(default)]
    env: std::collections::BTreeMap<String, String>,
    /// For each test.
    test_seconds: u64,
    /// For all of them.
    seconds: u64,
}

/// Adds a row for each suite whose package was asked for.
pub(crate) fn run(request: &Request, listing: &Listing, tally: &mut Tally) -> Result<(), Error> {
    let path = request.root.join("tests/report/suites.toml");
    let text = fs::read_to_string(&path).map_err(Error::at(&path))?;
    let guests: Guests = toml::from_str(&text).map_err(Error::at(&path))?;
    for guest in &guests.guest {
        let package = guest.binary.split("::").next().unwrap_or_default();
        let wanted =
            request.packages.is_empty() || request.packages.iter().any(|asked| asked == package);
        if wanted {
            run_one(request, listing, guest, tally)?;
        }
    }
    Ok(())
}

fn run_one(
    request: &Request,
    listing: &Listing,
    guest: &Guest,
    tally: &mut Tally,
) -> Result<(), Error> {
    announce(&guest.name)?;
    let Some(suite) = listing.find(&guest.binary) else {
        say(&format!("suites.toml: there is no test binary {}\n", guest.binary))?;
        tally.add_one(&guest.name, Outcome::Failed, Duration::ZERO);
        return Ok(());
    };
    let machine = machine(request, guest, suite).map_err(Error::during(&guest.name))?;
    match machine.run_each(&guest.name, &suite.binary_path, &guest.filters) {
        Ok(report) => count(guest, &report, tally),
        Err(error) => {
            let outcome = match error.missing() {
                Some(missing) => Outcome::NotRun(missing.to_string()),
                None => {
                    say(&format!("{error}\n"))?;
                    Outcome::Failed
                }
            };
            tally.add_one(&guest.name, outcome, Duration::ZERO);
            Ok(())
        }
    }
}

fn machine(request: &Request, guest: &Guest, suite: &Suite) -> Result<Machine, String> {
    let mut machine = Machine::new()
        .directory(&suite.cwd)
        .share(&request.root)
        .test_deadline(Duration::from_secs(guest.test_seconds))
        .deadline(Duration::from_secs(guest.seconds));
    if let Some(memory) = &guest.memory {
        machine = machine.memory(memory.parse()?);
    }
    for disk in &guest.disks {
        machine = machine.disk(disk.parse()?);
    }
    machine = guest.modules.iter().fold(machine, Machine::module);
    Ok(guest.env.iter().fold(machine, |machine, (name, value)| machine.env(name, value)))
}

fn count(guest: &Guest, report: &SuiteReport, tally: &mut Tally) -> Result<(), Error> {
    if !report.is_success() {
        say(&report.to_string())?;
    }
    let outcome = |ended: &Option<Ended>| match ended {
        Some(ended) if ended.is_success() => Outcome::Passed,
        Some(_) => Outcome::Failed,
        None => Outcome::NotRun("its author marked it #[ignore]".to_owned()),
    };
    let tests = report.tests().iter().map(|test| (test.name.clone(), outcome(&test.ended)));
    let mut tests: Vec<_> = tests.collect();
    let machine = report.machine();
    if tests.is_empty() || !machine.ended().is_success() {
        tests.push((machine.ended().to_string(), Outcome::Failed));
    }
    let row = Row { suite: guest.name.clone(), tests, duration: machine.duration() };
    let mut rows = vec![row];
    not_run::reconcile(&mut rows, &machine.not_run().join("\n"));
    tally.rows.append(&mut rows);
    Ok(())
}
