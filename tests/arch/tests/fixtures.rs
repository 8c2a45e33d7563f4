//! Each rule is seen to fail: on a small broken workspace, in the words that are written there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sapwood_arch::{Workspace, rules};
use serde::Deserialize;

/// fixtures/RULE/CASE.toml
#[derive(Deserialize)]
struct Fixture {
    /// All that the rule has to say about it.
    complaints: Vec<String>,
    workspace: Workspace,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn entries(folder: &Path) -> BTreeSet<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_rule_has_fixtures_and_every_fixture_a_rule() {
    let rules: BTreeSet<String> = rules::ALL.iter().map(|rule| rule.name.to_owned()).collect();
    assert_eq!(rules, entries(&folder()));
}

#[test]
fn every_rule_fails_on_its_fixtures_in_their_words() {
    for rule in rules::ALL {
        let folder = folder().join(rule.name);
        let mut failed = 0;
        for case in entries(&folder) {
            let text = fs::read_to_string(folder.join(&case)).unwrap();
            let name = format!("{}/{case}", rule.name);
            let fixture: Fixture =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let found = (rule.check)(&fixture.workspace);
            assert_eq!(found, fixture.complaints, "{name}");
            assert!(found.iter().all(|line| !line.contains('\n')), "{name}: not one line");
            failed += usize::from(!found.is_empty());
        }
        assert!(failed > 0, "{} was never seen to fail", rule.name);
    }
}
