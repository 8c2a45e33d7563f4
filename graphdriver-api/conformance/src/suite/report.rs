//! What a whole run of the suite gave, for programs and as a table.

use std::fmt;

use super::case::Case;
use super::host::Kernel;
use super::run::{Done, Outcome};

/// Every case with its outcome.
#[derive(Debug, Clone)]
pub struct Report {
    driver: &'static str,
    kernel: Kernel,
    done: Vec<(Case, Done)>,
}

/// How many cases came to each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Hold.
    pub passed: usize,
    /// Don't.
    pub failed: usize,
    /// Have no meaning with the driver's traits.
    pub not_applicable: usize,
    /// Would have a meaning, but the host lacks something.
    pub not_run: usize,
}

impl Report {
    pub(super) fn new(driver: &'static str, kernel: Kernel, done: Vec<(Case, Done)>) -> Self {
        Self { driver, kernel, done }
    }

    /// The driver's name.
    #[must_use]
    pub fn driver(&self) -> &'static str {
        self.driver
    }

    /// The kernel that it ran on.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Every case with its outcome, in the suite's order.
    pub fn outcomes(&self) -> impl Iterator<Item = (&Case, &Outcome)> {
        self.done.iter().map(|(case, done)| (case, &done.outcome))
    }

    /// The names of the cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = &'static str> {
        let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
        self.outcomes().filter(move |(_, o)| failed(o)).map(|(case, _)| case.name)
    }

    /// How many cases came to each outcome.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, outcome) in self.outcomes() {
            *match outcome {
                Outcome::Passed => &mut counts.passed,
                Outcome::Failed(_) => &mut counts.failed,
                Outcome::NotApplicable(_) => &mut counts.not_applicable,
                Outcome::NotRun(_) => &mut counts.not_run,
            } += 1;
        }
        counts
    }
}

impl fmt::Display for Report {
    /// What didn't pass, a line each; then the figures and the slowest cases.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (case, outcome) in self.outcomes() {
            match outcome {
                Outcome::Passed => {}
                Outcome::Failed(message) => writeln!(f, "FAILED  {}: {message}", case.name)?,
                Outcome::NotApplicable(need) => writeln!(f, "n/a     {}: {need:?}", case.name)?,
                Outcome::NotRun(reason) => writeln!(f, "NOT RUN {}: {reason}", case.name)?,
            }
        }
        let Counts { passed, failed, not_applicable, not_run } = self.counts();
        writeln!(
            f,
            "{} on kernel {}: {passed} passed, {failed} failed, {not_run} not run, \
             {not_applicable} not applicable",
            self.driver, self.kernel
        )?;
        let mut slowest: Vec<_> = self.done.iter().collect();
        slowest.sort_by_key(|(_, done)| std::cmp::Reverse(done.took));
        let shown = slowest.iter().take(5);
        let times: Vec<_> =
            shown.map(|(c, done)| format!("{} {:.2} s", c.name, done.took.as_secs_f64())).collect();
        writeln!(f, "slowest: {}", times.join(", "))
    }
}
