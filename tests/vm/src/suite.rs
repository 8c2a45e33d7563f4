//! The outcome of every test of a test binary that ran in one machine.

use std::fmt;
use std::time::Duration;

use crate::job::Event;
use crate::report::{Ended, Report, tail};

/// The outcome of [`Machine::run_each`](crate::Machine::run_each).
#[derive(Debug)]
pub struct SuiteReport {
    tests: Vec<TestResult>,
    machine: Report,
}

/// One test of the binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// Its name, as the binary lists it.
    pub name: String,
    /// How its process ended, or `None` if its author marked it `#[ignore]`.
    pub ended: Option<Ended>,
    /// How long it took.
    pub duration: Duration,
}

impl SuiteReport {
    pub(crate) fn new(events: Vec<Event>, machine: Report) -> Self {
        let mut tests = Vec::new();
        let mut running = None;
        for event in events {
            match event {
                Event::Ignored(name) => {
                    tests.push(TestResult { name, ended: None, duration: Duration::ZERO });
                }
                Event::Started(name) => running = Some(name),
                Event::Done { test, ended, millis } => {
                    running = None;
                    let duration = Duration::from_millis(millis);
                    tests.push(TestResult { name: test, ended: Some(ended), duration });
                }
                Event::SetupFailed(_) | Event::Finished(_) => {}
            }
        }
        // What began and never ended took the machine with it, or hung until the deadline.
        if let Some(name) = running {
            let ended = Some(machine.ended.clone());
            tests.push(TestResult { name, ended, duration: Duration::ZERO });
        }
        Self { tests, machine }
    }

    /// Every test that was reached, in the order in which they ran. Ignored ones are among them.
    #[must_use]
    pub fn tests(&self) -> &[TestResult] {
        &self.tests
    }

    /// The machine that they ran in: its log, its end. It has ended well if every test was
    /// reached, even if some failed.
    #[must_use]
    pub fn machine(&self) -> &Report {
        &self.machine
    }

    /// Whether every test was reached, at least one ran, and all that ran exited with 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        let mut ran = self.tests.iter().filter_map(|test| test.ended.as_ref()).peekable();
        self.machine.ended.is_success() && ran.peek().is_some() && ran.all(Ended::is_success)
    }

    /// What the log has on a test: from its start line to the next one's.
    #[must_use]
    pub fn log_of(&self, test: &str) -> String {
        let mut inside = false;
        let mut found = String::new();
        for line in self.machine.log().lines() {
            if let Some(name) = line.strip_prefix(START_MARK) {
                inside = name == test;
            } else if inside {
                found.push_str(line);
                found.push('\n');
            }
        }
        tail(&found)
    }
}

/// Begins the line that the guest's init writes ahead of each test's own output.
pub(crate) const START_MARK: &str = "--- sapwood-vm runs ";

impl fmt::Display for SuiteReport {
    /// One line a test; the log of what failed; how the machine ended if it wasn't well.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for test in &self.tests {
            let seconds = test.duration.as_secs_f64();
            match &test.ended {
                None => writeln!(out, "ignored {}", test.name)?,
                Some(ended) if ended.is_success() => {
                    writeln!(out, "passed  {} ({seconds:.2} s)", test.name)?;
                }
                Some(ended) => {
                    writeln!(out, "FAILED  {} ({seconds:.2} s): {ended}", test.name)?;
                    writeln!(out, "{}", self.log_of(&test.name))?;
                }
            }
        }
        if self.machine.ended.is_success() { Ok(()) } else { self.machine.fmt(out) }
    }
}
