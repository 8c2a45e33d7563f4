//! What ran, what failed, what didn't run and why.

use std::time::Duration;

/// Everything that was counted.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// A row a suite, in the order in which they ran.
    pub rows: Vec<Row>,
    /// From the first to the last.
    pub duration: Duration,
}

/// One suite: a test binary, a virtual machine, or a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub suite: String,
    /// Each of its tests.
    pub tests: Vec<(String, Outcome)>,
    /// What its tests took. Side by side, so they may add up to more than the whole.
    pub duration: Duration,
}

/// How a test came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ran, and what it asserts holds.
    Passed,
    /// It ran and failed, or should have run.
    Failed,
    /// It could not run here, for this reason.
    NotRun(String),
}

impl Row {
    /// A suite of one test: a check, or one that could not be run as a whole.
    pub(crate) fn one(suite: &str, outcome: Outcome, duration: Duration) -> Self {
        Self { suite: suite.to_owned(), tests: vec![(suite.to_owned(), outcome)], duration }
    }

    /// How many came out like that.
    #[must_use]
    pub fn count(&self, wanted: impl Fn(&Outcome) -> bool) -> usize {
        self.tests.iter().filter(|(_, outcome)| wanted(outcome)).count()
    }
}

impl Tally {
    /// Passed, failed, not run.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |wanted: fn(&Outcome) -> bool| {
            self.rows.iter().map(|row| row.count(wanted)).sum::<usize>()
        };
        (
            count(|outcome| *outcome == Outcome::Passed),
            count(|outcome| *outcome == Outcome::Failed),
            count(|outcome| matches!(outcome, Outcome::NotRun(_))),
        )
    }

    /// Whether anything ran, and nothing failed.
    #[must_use]
    pub fn is_success(&self) -> bool {
        let (passed, failed, _) = self.counts();
        passed > 0 && failed == 0
    }

    /// Adds a [`Row::one`].
    pub(crate) fn add_one(&mut self, suite: &str, outcome: Outcome, duration: Duration) {
        self.rows.push(Row::one(suite, outcome, duration));
    }
}
