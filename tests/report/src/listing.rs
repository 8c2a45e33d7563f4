//! Which test binaries there are, and what is in them: `cargo nextest list`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::error::Error;
use crate::tally::{Outcome, Tally};

/// nextest's answer, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(crate) struct Listing {
    #[serde(rename = "rust-suites")]
    suites: BTreeMap<String, Suite>,
}

/// One test binary.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Suite {
    pub package_name: String,
    pub binary_path: PathBuf,
    pub cwd: PathBuf,
    kind: String,
    testcases: BTreeMap<String, Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    ignored: bool,
}

impl Listing {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(json).map_err(Error::during("understand the list of tests"))
    }

    /// The binary with this id, as in `sapwood-kit::apply`.
    pub(crate) fn find(&self, id: &str) -> Option<&Suite> {
        self.suites.get(id)
    }

    /// Tests that their authors switched off, by binary.
    pub(crate) fn ignored(&self) -> impl Iterator<Item = (&str, &str)> {
        self.suites.iter().flat_map(|(id, suite)| {
            let ignored = suite.testcases.iter().filter(|(_, case)| case.ignored);
            ignored.map(move |(name, _)| (id.as_str(), name.as_str()))
        })
    }

    /// Adds a failure for each test target in which nothing ran, and for each package without any
    /// test. A binary's or a library's own tests may be empty where others test it.
    pub(crate) fn complain_of_nothing(&self, tally: &mut Tally) {
        let mut empty: Vec<String> = Vec::new();
        let targets = self.suites.iter().filter(|(_, suite)| suite.kind == "test");
        empty.extend(
            targets.filter(|(_, suite)| suite.testcases.is_empty()).map(|(id, _)| id.clone()),
        );
        let packages: BTreeSet<&str> =
            self.suites.values().map(|suite| suite.package_name.as_str()).collect();
        let tested: BTreeSet<&str> = self
            .suites
            .values()
            .filter(|suite| !suite.testcases.is_empty())
            .map(|suite| suite.package_name.as_str())
            .collect();
        empty.extend(packages.difference(&tested).map(|name| format!("package {name}")));
        for name in empty {
            tally.add_one(&format!("{name}: no test in it"), Outcome::Failed, Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(package: &str, kind: &str, cases: &str) -> String {
        format!(
            r#"{{"package-name":"{package}","binary-path":"/x","cwd":"/","kind":"{kind}","testcases":{{{cases}}}}}"#
        )
    }

    #[test]
    fn what_is_empty_fails() {
        let case = r#""a":{"ignored":true}"#;
        let json = format!(
            r#"{{"rust-suites":{{"one":{},"one::t":{},"two":{},"three":{},"three::t":{}}}}}"#,
            suite("one", "lib", ""),
            suite("one", "test", case),
            suite("two", "lib", ""),
            suite("three", "lib", case),
            suite("three", "test", ""),
        );
        let listing = Listing::parse(json.as_bytes()).unwrap();
        let mut tally = Tally::default();
        listing.complain_of_nothing(&mut tally);
        let names: Vec<&str> = tally.rows.iter().map(|row| row.suite.as_str()).collect();
        assert_eq!(names, ["three::t: no test in it", "package two: no test in it"]);
        assert!(!tally.is_success());
        assert_eq!(listing.ignored().collect::<Vec<_>>(), [("one::t", "a"), ("three", "a")]);
    }
}
