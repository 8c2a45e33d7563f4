//! How often histories did what.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::op::Kind;

/// What a run of histories did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Histories.
    pub histories: u64,
    /// Layers that they committed.
    pub layers: u64,
    /// Whole trees compared with the model's.
    pub comparisons: u64,
    /// For each kind of operation, how often it succeeded, and how often it
    /// was rightly refused.
    pub operations: BTreeMap<Kind, (u64, u64)>,
    /// How long it all took.
    pub took: Duration,
}

impl Stats {
    /// Counts an operation.
    pub(super) fn count(&mut self, kind: Kind, succeeded: bool) {
        let (done, refused) = self.operations.entry(kind).or_default();
        *(if succeeded { done } else { refused }) += 1;
    }

    /// Adds another run's.
    pub(super) fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.layers += other.layers;
        self.comparisons += other.comparisons;
        self.took += other.took;
        for (kind, (done, refused)) in &other.operations {
            let sum = self.operations.entry(*kind).or_default();
            *sum = (sum.0 + done, sum.1 + refused);
        }
    }

    /// Kinds of `expected` that succeeded less often than once in `share`
    /// operations, or never.
    pub fn neglected(&self, expected: impl Iterator<Item = Kind>, share: u64) -> Vec<Kind> {
        let all: u64 = self.operations.values().map(|(done, refused)| done + refused).sum();
        let enough = (all / share).max(1);
        let done = |kind: &Kind| self.operations.get(kind).map_or(0, |(done, _)| *done);
        expected.filter(|kind| done(kind) < enough).collect()
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.took.as_secs_f64() * 1000.0 / self.histories.max(1) as f64;
        let operations: u64 = self.operations.values().map(|(done, refused)| done + refused).sum();
        writeln!(
            f,
            "{} histories, {operations} operations, {} layers, {} trees compared, {each:.1} ms each",
            self.histories, self.layers, self.comparisons
        )?;
        Kind::ALL.iter().try_for_each(|kind| match self.operations.get(kind) {
            Some((done, refused)) => {
                writeln!(f, "  {:<18} {done:>9} done {refused:>9} refused", format!("{kind:?}"))
            }
            None => writeln!(f, "  {:<18}     never", format!("{kind:?}")),
        })
    }
}
