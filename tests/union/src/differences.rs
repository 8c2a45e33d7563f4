//! What a subject is known to do otherwise, with the reason: data, so that no
//! case has to know who is judged.

use serde::Deserialize;

use crate::failure::{Failure, Outcome};
use crate::subject::Kind;

/// The declared differences of all subjects.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differences {
    #[serde(default)]
    difference: Vec<Difference>,
    #[serde(default)]
    history: Vec<InHistory>,
    #[serde(default)]
    link_counts: Vec<LinkCounts>,
}

/// A subject whose link counts aren't the kernel's after a remount.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkCounts {
    subject: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InHistory {
    subject: String,
    /// The operation's name.
    operation: String,
    /// Both answers, as a failure shows them.
    answers: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    subject: String,
    case: String,
    /// What the failure begins with.
    outcome: String,
    reason: String,
}

/// How a case ended, given what is declared.
#[derive(Debug)]
pub enum Verdict {
    /// It passed, and should.
    Passed,
    /// It failed as declared, for this reason.
    Declared(String),
    /// It failed, or it passed although a difference is declared.
    Failed(String),
}

impl Differences {
    /// Those of `differences.toml`.
    ///
    /// # Errors
    /// The file is wrong, or a difference has no reason.
    pub fn declared() -> Outcome<Self> {
        let all: Self = toml::from_str(include_str!("../differences.toml"))?;
        match all.difference.iter().find(|d| d.reason.trim().is_empty() || d.outcome.is_empty()) {
            Some(d) => Err(Failure::new(format!("{}: a difference without a reason", d.case))),
            None => Ok(all),
        }
    }

    /// What an outcome amounts to.
    #[must_use]
    pub fn judge(&self, subject: Kind, case: &str, outcome: &Outcome) -> Verdict {
        let mut all = self.difference.iter();
        let declared = all.find(|d| d.subject == subject.name() && d.case == case);
        match (outcome, declared) {
            (Ok(()), None) => Verdict::Passed,
            (Ok(()), Some(_)) => Verdict::Failed("a declared difference is gone".into()),
            (Err(e), Some(d)) if e.what().starts_with(&d.outcome) => {
                Verdict::Declared(d.reason.clone())
            }
            (Err(e), _) => Verdict::Failed(e.to_string()),
        }
    }

    /// The reason for which an operation in a history may be answered otherwise.
    #[must_use]
    pub fn tolerates(&self, subject: Kind, operation: &str, answers: &str) -> Option<String> {
        let mut all = self.history.iter();
        let fits = |d: &&InHistory| {
            d.subject == subject.name() && d.operation == operation && d.answers == answers
        };
        all.find(fits).map(|d| d.reason.clone())
    }

    /// Whether link counts in the trees of histories are to be the kernel's.
    #[must_use]
    pub fn compares_link_counts(&self, subject: Kind) -> bool {
        let declared = |l: &LinkCounts| l.subject == subject.name() && !l.reason.trim().is_empty();
        !self.link_counts.iter().any(declared)
    }

    /// Declared cases that aren't among these: they were renamed, or are gone.
    #[must_use]
    pub fn strays(&self, cases: &[String]) -> Vec<&str> {
        let known = |d: &&Difference| !cases.contains(&d.case);
        self.difference.iter().filter(known).map(|d| d.case.as_str()).collect()
    }
}
