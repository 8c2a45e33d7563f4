//! Each case says which sentence it checks; those of the contract stand there
//! word for word. So a sentence can't be changed without its case being looked
//! at, and no case checks what nobody promised.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use graphdriver_conformance::suite::{Rule, all};

/// The contract's documentation, without comment signs and line breaks.
fn contract() -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
    let mut text = String::new();
    for file in fs::read_dir(dir).unwrap() {
        for line in fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let line = line.trim();
            let comment = line.strip_prefix("//!").or_else(|| line.strip_prefix("///"));
            text.push_str(comment.unwrap_or(line));
            text.push('\n');
        }
    }
    words(&text)
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_quoted_stands_in_the_contract() {
    let contract = contract();
    let missing: Vec<_> = all()
        .iter()
        .filter_map(|case| match case.rule {
            Rule::Contract(quote) if !contract.contains(&words(quote)) => {
                Some(format!("{}: {quote:?}", case.name))
            }
            _ => None,
        })
        .collect();
    assert!(missing.is_empty(), "not in the contract any more:\n{}", missing.join("\n"));
}

#[test]
fn every_law_of_the_contract_has_cases() {
    // By theme, so that a renamed case doesn't matter and a lost theme does.
    let themes: BTreeSet<_> =
        all().iter().map(|case| case.name.split("::").next().unwrap()).collect();
    let expected = [
        "apply",
        "archives",
        "attributes",
        "borrowing",
        "care",
        "changes",
        "concurrency",
        "copying",
        "crashes",
        "damage",
        "deferred",
        "depth",
        "diff",
        "factory",
        "formats",
        "guards",
        "hostile",
        "idmaps",
        "isolation",
        "kinds",
        "lifecycle",
        "limits",
        "links",
        "matrix",
        "mounts",
        "native",
        "persistence",
        "plans",
        "posix",
        "recovery",
        "space",
        "streams",
        "whiteouts",
    ];
    assert_eq!(themes.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn names_are_unique_and_stable_as_tests_are_named() {
    let cases = all();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | ':');
    for name in names {
        assert!(name.chars().all(fine) && name.matches("::").count() == 1, "{name}");
    }
}
