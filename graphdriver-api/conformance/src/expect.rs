//! What is expected of a driver: how many cases run, and which of them can't
//! hold because of a rule of the kernel's. Checked in both directions, so that
//! neither a new failure nor a deviation that has gone stays unseen.
//!
//! The file that each driver keeps as `conformance.toml`:
//!
//! ```toml
//! # Cases that apply to this driver, passed or deviating.
//! run = 180
//!
//! # On these kernels another number applies.
//! [[host]]
//! kernel = "<6.5"
//! run = 176
//!
//! [[deviation]]
//! case = "posix::a_case_that_is_no_law"
//! kernel = "<6.5"                  # left out: on every kernel
//! outcome = "a part of the message with which it fails"
//! rule = "Documentation/filesystems/overlayfs.rst: what forces it"
//! ```

use std::fmt;

use serde::Deserialize;

use crate::suite::{Case, Counts, Kernel, Kind, Outcome, Report};

/// What is expected of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectations {
    file: File,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    run: usize,
    #[serde(default)]
    host: Vec<OnHost>,
    #[serde(default)]
    deviation: Vec<Deviation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnHost {
    kernel: Kernels,
    run: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviation {
    case: String,
    kernel: Option<Kernels>,
    outcome: String,
    rule: String,
}

/// `<6.5` or `>=6.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
enum Kernels {
    Before(Kernel),
    From(Kernel),
}

impl Kernels {
    fn include(self, kernel: Kernel) -> bool {
        match self {
            Self::Before(limit) => kernel < limit,
            Self::From(limit) => kernel >= limit,
        }
    }
}

impl TryFrom<String> for Kernels {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match (text.strip_prefix(">="), text.strip_prefix('<')) {
            (Some(version), _) => version.parse().map(Self::From),
            (_, Some(version)) => version.parse().map(Self::Before),
            _ => Err(format!("{text:?} is neither <VERSION nor >=VERSION")),
        }
    }
}

/// Why a file of expectations can't be used: one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadExpectations(String);

impl fmt::Display for BadExpectations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadExpectations {}

/// How an outcome stands to what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// The case holds, as it should, or doesn't apply.
    AsExpected,
    /// It fails in the way that the file lists, because of this rule.
    Deviates {
        /// The rule that forces it.
        rule: String,
    },
    /// The host lacks what the case needs; the reason.
    NotRun(String),
    /// Not as expected: why, in one line.
    Wrong(String),
}

impl Expectations {
    /// Reads a file of expectations about `cases`.
    ///
    /// # Errors
    /// What makes no sense: a case that isn't there or is listed twice for a
    /// kernel, a deviation without an outcome or a rule, and every deviation
    /// from a law.
    pub fn parse(text: &str, cases: &[Case]) -> Result<Self, BadExpectations> {
        let file: File = toml::from_str(text)
            .map_err(|e| BadExpectations(e.to_string().trim().replace('\n', " ")))?;
        for (i, deviation) in file.deviation.iter().enumerate() {
            sensible(deviation, cases).map_err(BadExpectations)?;
            let twin = |other: &&Deviation| {
                other.case == deviation.case && other.kernel == deviation.kernel
            };
            if file.deviation.iter().take(i).any(|other| twin(&other)) {
                return Err(BadExpectations(format!("{} is listed twice", deviation.case)));
            }
        }
        Ok(Self { file })
    }

    /// Judges one outcome.
    #[must_use]
    pub fn judge(&self, case: &Case, kernel: Kernel, outcome: &Outcome) -> Judged {
        match (outcome, self.deviation(case, kernel)) {
            (Outcome::Passed | Outcome::NotApplicable(_), None) => Judged::AsExpected,
            (Outcome::NotRun(reason), _) => Judged::NotRun(reason.clone()),
            (Outcome::Failed(message), Some(d)) if message.contains(&d.outcome) => {
                Judged::Deviates { rule: d.rule.clone() }
            }
            (Outcome::Failed(message), None) => Judged::Wrong(message.clone()),
            (Outcome::Failed(message), Some(d)) => Judged::Wrong(format!(
                "{message}; it was expected to fail too, but otherwise: {:?}",
                d.outcome
            )),
            (Outcome::Passed | Outcome::NotApplicable(_), Some(d)) => Judged::Wrong(format!(
                "expected to fail ({:?}), but: {outcome:?}; take the deviation off the list",
                d.outcome
            )),
        }
    }

    /// Everything about a whole run that isn't as expected, a line each.
    #[must_use]
    pub fn complaints(&self, report: &Report) -> Vec<String> {
        let kernel = report.kernel();
        let wrong = report.outcomes().filter_map(|(case, outcome)| {
            match self.judge(case, kernel, outcome) {
                Judged::Wrong(why) => Some(format!("{}: {why}", case.name)),
                Judged::AsExpected | Judged::Deviates { .. } | Judged::NotRun(_) => None,
            }
        });
        wrong.chain(self.miscounted(kernel, report.counts())).collect()
    }

    /// Whether another number of cases applies than was expected: why, in one
    /// line. Without it a driver that loses a trait on some kernel would have
    /// fewer cases to pass, and nobody would know.
    #[must_use]
    pub fn miscount(&self, kernel: Kernel, applicable: usize) -> Option<String> {
        let expected = self.expected_run(kernel);
        (applicable != expected).then(|| {
            format!(
                "{applicable} cases apply, {expected} were expected: a trait, the suite, or the \
                 file has changed"
            )
        })
    }

    fn miscounted(&self, kernel: Kernel, counts: Counts) -> Option<String> {
        let Counts { passed, failed, not_applicable: _, not_run } = counts;
        match passed + failed {
            0 => Some("not one case was run".into()),
            ran => self.miscount(kernel, ran + not_run),
        }
    }

    fn expected_run(&self, kernel: Kernel) -> usize {
        let host = self.file.host.iter().find(|h| h.kernel.include(kernel));
        host.map_or(self.file.run, |h| h.run)
    }

    fn deviation(&self, case: &Case, kernel: Kernel) -> Option<&Deviation> {
        let here = |d: &&Deviation| d.kernel.is_none_or(|kernels| kernels.include(kernel));
        self.file.deviation.iter().filter(here).find(|d| d.case == case.name)
    }
}

fn sensible(deviation: &Deviation, cases: &[Case]) -> Result<(), String> {
    let name = &deviation.case;
    let case = cases.iter().find(|case| case.name == name);
    let case = case.ok_or_else(|| format!("there is no case {name:?}"))?;
    if case.kind == Kind::Law {
        return Err(format!("{name} is a law: no driver can be excused from it ({})", case.rule));
    }
    if deviation.outcome.trim().is_empty() || deviation.rule.trim().is_empty() {
        return Err(format!("{name} deviates without an outcome or without a rule that forces it"));
    }
    Ok(())
}
