//! The `main` of a driver's conformance test: every case a test of its own,
//! one more that holds the whole run against the file of expectations, and one
//! that only counts.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

use super::case::Case;
use super::cases::all;
use super::child::play_part;
use super::host::Host;
use super::run::Runner;
use super::stop::Stop;
use super::subject::Subject;
use crate::expect::{Expectations, Judged};

/// Names the file that collects what this machine couldn't run, one line each.
pub const NOT_RUN_ENV: &str = "SAPWOOD_NOT_RUN";

/// The test of the whole run.
const WHOLE: &str = "suite::as_expected";

/// The test that counts the cases.
const COUNT: &str = "suite::as_many_as_expected";

/// Runs the suite as a test binary (`harness = false`), under `cargo nextest`,
/// `cargo test` or by itself. `expectations` is the content of the driver's
/// `conformance.toml`.
///
/// Each case is a test by its name, filtered and listed as tests are. The test
/// `suite::as_expected` runs what hasn't been run in its process, compares all
/// of it with `expectations`, and shows the table. Where each test has a
/// process of its own and time is dear, `suite::as_many_as_expected` stands in
/// for it: it runs no case, but sees to it that none has ceased to apply.
#[must_use]
pub fn main(subject: Subject, expectations: &str) -> ExitCode {
    if let Some(played) = play_part(&subject) {
        return played;
    }
    let arguments = Arguments::from_args();
    let cases = all();
    let expectations = match Expectations::parse(expectations, &cases) {
        Ok(expectations) => expectations,
        Err(bad) => return give_up(&format!("conformance.toml: {bad}")),
    };
    if arguments.list {
        return libtest_mimic::run(&arguments, names_only(&cases)).exit_code();
    }
    match Host::set_up() {
        Ok(host) => {
            let runner = Runner::new(subject, host, &cases);
            let trials = trials(Arc::new(Bench { runner, expectations }), &cases);
            libtest_mimic::run(&arguments, trials).exit_code()
        }
        Err(Stop::Failed(why) | Stop::NotRun(why)) => all_not_run(&arguments, &cases, &why),
    }
}

struct Bench {
    runner: Runner,
    expectations: Expectations,
}

fn names_only(cases: &[Case]) -> Vec<Trial> {
    let names = cases.iter().map(|case| case.name).chain([COUNT, WHOLE]);
    names.map(|name| Trial::test(name, || Ok(()))).collect()
}

fn trials(bench: Arc<Bench>, cases: &[Case]) -> Vec<Trial> {
    let one = |case: &Case| {
        let (bench, case) = (Arc::clone(&bench), *case);
        Trial::test(case.name, move || bench.one(&case))
    };
    let mut trials: Vec<_> = cases.iter().map(one).collect();
    let counting = Arc::clone(&bench);
    trials.push(Trial::test(COUNT, move || counting.count()));
    trials.push(Trial::test(WHOLE, move || bench.whole()));
    trials
}

impl Bench {
    fn one(&self, case: &Case) -> Result<(), Failed> {
        let done = self.runner.outcome(case.name).ok_or("the runner doesn't know this case")?;
        match self.expectations.judge(case, self.runner.host().kernel(), &done.outcome) {
            Judged::AsExpected => Ok(()),
            Judged::Deviates { rule } => Ok(print(&format!("{} deviates: {rule}", case.name))?),
            Judged::NotRun(reason) => {
                let driver = self.runner.subject().factory().name();
                Ok(note_not_run(&format!("{driver}::{}", case.name), &reason)?)
            }
            Judged::Wrong(why) => Err(format!("{why}\n  rule: {}", case.rule).into()),
        }
    }

    fn count(&self) -> Result<(), Failed> {
        let applicable = self.runner.applicable()?;
        match self.expectations.miscount(self.runner.host().kernel(), applicable) {
            Some(complaint) => Err(complaint.into()),
            None => Ok(()),
        }
    }

    fn whole(&self) -> Result<(), Failed> {
        let report = self.runner.report();
        print(&report.to_string())?;
        let complaints = self.expectations.complaints(&report);
        if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n").into()) }
    }
}

/// Without a mount namespace nothing can be shown at all. That is no success:
/// each test says that it didn't run.
fn all_not_run(arguments: &Arguments, cases: &[Case], why: &str) -> ExitCode {
    let names = cases.iter().map(|case| case.name).chain([COUNT, WHOLE]);
    let trial = |name: &'static str| {
        let why = why.to_owned();
        Trial::test(name, move || Ok(note_not_run(name, &why)?))
    };
    let conclusion: Conclusion = libtest_mimic::run(arguments, names.map(trial).collect());
    conclusion.exit_code()
}

/// Says on standard error, and in the file that [`NOT_RUN_ENV`] names, what
/// couldn't be run and why.
fn note_not_run(name: &str, reason: &str) -> io::Result<()> {
    let name = match (env::var("NEXTEST_BINARY_ID"), env::var("NEXTEST_TEST_NAME")) {
        (Ok(binary), Ok(test)) => format!("{binary}::{test}"),
        _ => name.to_owned(),
    };
    let line = format!("NOT RUN: {name}: {}\n", reason.replace('\n', " "));
    io::stderr().write_all(line.as_bytes())?;
    match env::var_os(NOT_RUN_ENV) {
        // One write of one line: tests report side by side.
        Some(path) => {
            OpenOptions::new().append(true).create(true).open(path)?.write_all(line.as_bytes())
        }
        None => Ok(()),
    }
}

fn print(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

fn give_up(why: &str) -> ExitCode {
    // Nobody to tell if standard error is closed; the status tells it.
    drop(writeln!(io::stderr(), "{why}"));
    ExitCode::FAILURE
}
