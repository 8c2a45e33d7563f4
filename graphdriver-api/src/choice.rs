//! Which driver to use: a pure function of what the user wishes, of what each
//! driver said when probed, and of what lies on the disk already.

use std::fmt;

use serde::Serialize;

use crate::factory::Suitability;

/// Where the user's wish was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// `--storage-driver`.
    Flag,
    /// An environment variable.
    Environment,
    /// The configuration file.
    Config,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "--storage-driver",
            Self::Environment => "the environment",
            Self::Config => "the configuration file",
        })
    }
}

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish<'a> {
    /// Nothing: choose.
    Any,
    /// This driver and no other.
    Named(&'a str, Origin),
}

/// One driver that could be used. The order of candidates is the order of
/// preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: &'static str,
    /// What its probe said.
    pub suitability: Suitability,
    /// Whether it has nodes in this root already.
    pub has_data: bool,
    /// Whether it may be chosen without being asked for, on an empty root.
    pub automatic: bool,
}

/// The driver to open, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Its name.
    pub name: &'static str,
    /// Why it, one clause a person understands.
    pub reason: String,
    /// Other drivers that have nodes in this root: what they hold isn't seen
    /// through the chosen one, and users must be told.
    pub hidden: Vec<&'static str>,
}

/// Why no driver was chosen: one line, with the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// Chooses a driver.
///
/// * A named driver is taken or refused; there is never another in its place.
/// * Without a name, the one driver that has data here is taken, or refused if
///   it doesn't work any more: falling back would hide the user's images.
/// * With data of several, the user must say which.
/// * On an empty root, the first automatic one that works.
///
/// # Errors
/// [`Refusal`] says what was wrong and what to do.
pub fn choose(wish: Wish<'_>, candidates: &[Candidate]) -> Result<Choice, Refusal> {
    match wish {
        Wish::Named(name, origin) => named(name, origin, candidates),
        Wish::Any => {
            let used: Vec<_> = candidates.iter().filter(|c| c.has_data).collect();
            match used.as_slice() {
                [] => first_suitable(candidates),
                [one] => existing(one),
                several => Err(Refusal(format!(
                    "layers of {} lie here; say which to use with --storage-driver",
                    list(several.iter().map(|c| c.name))
                ))),
            }
        }
    }
}

fn named(name: &str, origin: Origin, candidates: &[Candidate]) -> Result<Choice, Refusal> {
    let Some(found) = candidates.iter().find(|c| c.name == name) else {
        return Err(Refusal(format!(
            "there is no storage driver {name:?} (asked for by {origin}); there are {}",
            list(candidates.iter().map(|c| c.name))
        )));
    };
    match unsuitable(found) {
        Some(why) => Err(Refusal(format!(
            "the storage driver {name}, asked for by {origin}, doesn't work here: {why}"
        ))),
        None => Ok(Choice {
            name: found.name,
            reason: format!("asked for by {origin}"),
            hidden: others_with_data(found.name, candidates),
        }),
    }
}

fn existing(only: &Candidate) -> Result<Choice, Refusal> {
    let name = only.name;
    match unsuitable(only) {
        Some(why) => Err(Refusal(format!(
            "the layers here belong to {name}, which doesn't work any more: {why}; \
             mend that, or choose another driver with --storage-driver (it won't see them)"
        ))),
        None => {
            Ok(Choice { name, reason: "its layers are here already".into(), hidden: Vec::new() })
        }
    }
}

fn first_suitable(candidates: &[Candidate]) -> Result<Choice, Refusal> {
    let mut passed_over = Vec::new();
    for candidate in candidates.iter().filter(|c| c.automatic) {
        match unsuitable(candidate) {
            Some(why) => passed_over.push(format!("{}: {why}", candidate.name)),
            None => {
                let mut reason = "the first in order of preference that works here".to_owned();
                if !passed_over.is_empty() {
                    reason = format!("{reason} (not {})", passed_over.join("; not "));
                }
                return Ok(Choice { name: candidate.name, reason, hidden: Vec::new() });
            }
        }
    }
    Err(Refusal(format!("no storage driver works here: {}", passed_over.join("; "))))
}

fn unsuitable(candidate: &Candidate) -> Option<String> {
    match &candidate.suitability {
        Suitability::Suitable(_) => None,
        Suitability::Unsuitable { reason, remedy: None } => Some(reason.clone()),
        Suitability::Unsuitable { reason, remedy: Some(remedy) } => {
            Some(format!("{reason} ({remedy})"))
        }
    }
}

fn others_with_data(name: &str, candidates: &[Candidate]) -> Vec<&'static str> {
    candidates.iter().filter(|c| c.has_data && c.name != name).map(|c| c.name).collect()
}

fn list(names: impl Iterator<Item = &'static str>) -> String {
    let names: Vec<_> = names.collect();
    match names.split_last() {
        None => "none".into(),
        Some((only, [])) => (*only).into(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &'static str, works: bool, has_data: bool) -> Candidate {
        let suitability = if works {
            Suitability::Suitable(Vec::new())
        } else {
            Suitability::Unsuitable { reason: "broken".into(), remedy: Some("mend it".into()) }
        };
        Candidate { name, suitability, has_data, automatic: name != "byhand" }
    }

    fn line(result: Result<Choice, Refusal>) -> String {
        match result {
            Ok(c) if c.hidden.is_empty() => format!("{}: {}", c.name, c.reason),
            Ok(c) => format!("{}: {}; hides {}", c.name, c.reason, c.hidden.join(" ")),
            Err(refusal) => format!("refused: {refusal}"),
        }
    }

    #[test]
    fn every_row_of_the_decision_table() {
        let c = candidate;
        let flag = |name| Wish::Named(name, Origin::Flag);
        let rows = [
            (
                Wish::Any,
                vec![c("a", true, false), c("b", true, false)],
                "a: the first in order of preference that works here",
            ),
            (
                Wish::Any,
                vec![c("a", false, false), c("b", true, false)],
                "b: the first in order of preference that works here (not a: broken (mend it))",
            ),
            (
                Wish::Any,
                vec![c("byhand", true, false), c("b", false, false)],
                "refused: no storage driver works here: b: broken (mend it)",
            ),
            (
                Wish::Any,
                vec![c("a", true, false), c("b", true, true)],
                "b: its layers are here already",
            ),
            (
                Wish::Any,
                vec![c("a", true, false), c("b", false, true)],
                "refused: the layers here belong to b, which doesn't work any more: broken \
                 (mend it); mend that, or choose another driver with --storage-driver (it won't \
                 see them)",
            ),
            (
                Wish::Any,
                vec![c("a", true, true), c("b", true, true)],
                "refused: layers of a and b lie here; say which to use with --storage-driver",
            ),
            (
                flag("b"),
                vec![c("a", true, true), c("b", true, false)],
                "b: asked for by --storage-driver; hides a",
            ),
            (
                flag("b"),
                vec![c("a", true, false), c("b", false, false)],
                "refused: the storage driver b, asked for by --storage-driver, doesn't work \
                 here: broken (mend it)",
            ),
            (
                flag("c"),
                vec![c("a", true, false), c("b", true, false)],
                "refused: there is no storage driver \"c\" (asked for by --storage-driver); \
                 there are a and b",
            ),
        ];
        for (wish, candidates, expected) in rows {
            assert_eq!(line(choose(wish, &candidates)), expected);
        }
    }
}
