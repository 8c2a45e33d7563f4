//! Suites that run once more in a virtual machine, as suites.toml lists them.
//!
//! A machine has one processor: as many machines run side by side as this one
//! has processors.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
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
    /// Machines by name.
    #[serde(default)]
    machine: BTreeMap<String, Equipment>,
    #[serde(default)]
    guest: Vec<Guest>,
}

/// What a machine has beyond the plain one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Equipment {
    memory: Option<String>,
    #[serde(default)]
    modules: Vec<String>,
    #[serde(default)]
    disks: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
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
    /// One of the machines above; a plain one, if none is named.
    machine: Option<String>,
    /// For the tests, beyond the machine's.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// For each test.
    test_seconds: u64,
    /// For all of them.
    seconds: u64,
}

impl Guests {
    fn read(request: &Request) -> Result<Self, Error> {
        let path = request.root.join("tests/report/suites.toml");
        let text = fs::read_to_string(&path).map_err(Error::at(&path))?;
        toml::from_str(&text).map_err(Error::at(&path))
    }

    fn equipment(&self, guest: &Guest) -> Result<&Equipment, String> {
        const PLAIN: &Equipment = &Equipment {
            memory: None,
            modules: Vec::new(),
            disks: Vec::new(),
            env: BTreeMap::new(),
        };
        match &guest.machine {
            None => Ok(PLAIN),
            Some(name) => {
                let found = self.machine.get(name);
                found.ok_or_else(|| format!("there is no machine {name}"))
            }
        }
    }
}

/// Adds rows for each suite whose package was asked for, in the order of the file.
pub(crate) fn run(request: &Request, listing: &Listing, tally: &mut Tally) -> Result<(), Error> {
    let guests = Guests::read(request)?;
    let wanted = |guest: &&Guest| {
        let package = guest.binary.split("::").next().unwrap_or_default();
        request.packages.is_empty() || request.packages.iter().any(|asked| asked == package)
    };
    let wanted: Vec<_> = guests.guest.iter().filter(wanted).collect();
    for rows in side_by_side(&wanted, |guest| run_one(request, listing, &guests, guest)) {
        tally.rows.append(&mut rows?);
    }
    Ok(())
}

/// What `work` makes of each item, in the items' order. Each processor takes the next item.
fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let take = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { break };
            let made = work(item);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((place, made));
        }
    };
    thread::scope(|scope| {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        (0..processors.min(items.len())).for_each(|_| drop(scope.spawn(take)));
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, made)| made).collect()
}

fn run_one(
    request: &Request,
    listing: &Listing,
    guests: &Guests,
    guest: &Guest,
) -> Result<Vec<Row>, Error> {
    announce(&guest.name)?;
    let suite = listing.find(&guest.binary);
    let suite = suite.ok_or_else(|| format!("there is no test binary {}", guest.binary));
    let (suite, equipment) = match suite.and_then(|suite| Ok((suite, guests.equipment(guest)?))) {
        Ok(found) => found,
        Err(what) => {
            say(&format!("suites.toml: {what}\n"))?;
            return Ok(vec![alone(guest, Outcome::Failed)]);
        }
    };
    let machine = machine(request, guest, equipment, suite).map_err(Error::during(&guest.name))?;
    match machine.run_each(&guest.name, &suite.binary_path, &guest.filters) {
        Ok(report) => rows(guest, &report),
        Err(error) => {
            let outcome = match error.missing() {
                Some(missing) => Outcome::NotRun(missing.to_string()),
                None => {
                    say(&format!("{}: {error}\n", guest.name))?;
                    Outcome::Failed
                }
            };
            Ok(vec![alone(guest, outcome)])
        }
    }
}

/// A suite that could not be run as a whole.
fn alone(guest: &Guest, outcome: Outcome) -> Row {
    Row::one(&guest.name, outcome, Duration::ZERO)
}

fn machine(
    request: &Request,
    guest: &Guest,
    equipment: &Equipment,
    suite: &Suite,
) -> Result<Machine, String> {
    let mut machine = Machine::new()
        .directory(&suite.cwd)
        .share(&request.root)
        .test_deadline(Duration::from_secs(guest.test_seconds))
        .deadline(Duration::from_secs(guest.seconds));
    if let Some(memory) = &equipment.memory {
        machine = machine.memory(memory.parse()?);
    }
    for disk in &equipment.disks {
        machine = machine.disk(disk.parse()?);
    }
    machine = equipment.modules.iter().fold(machine, Machine::module);
    let env = equipment.env.iter().chain(&guest.env);
    Ok(env.fold(machine, |machine, (name, value)| machine.env(name, value)))
}

fn rows(guest: &Guest, report: &SuiteReport) -> Result<Vec<Row>, Error> {
    if !report.is_success() {
        say(&format!("{}:\n{report}", guest.name))?;
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
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_taken_once_and_the_order_is_kept() {
        let items: Vec<usize> = (0..100).collect();
        let taken = AtomicUsize::new(0);
        let made = side_by_side(&items, |item| {
            taken.fetch_add(1, Ordering::Relaxed);
            item * 2
        });
        assert_eq!(made, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(taken.into_inner(), items.len());
        assert_eq!(side_by_side(&[0; 0], |_| ()), []);
    }
}
