//! The table at the end, for people; its last line, for programs.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::tally::{Outcome, Row, Tally};

const HEADINGS: [&str; 5] = ["suite", "passed", "failed", "not run", "seconds"];

/// The table, what failed, what did not run and why, and in the last line alone
/// `N passed, M failed, K skipped`.
#[must_use]
pub fn render(tally: &Tally) -> String {
    let mut text = grid(&tally.rows.iter().map(cells).collect::<Vec<_>>());
    list_failures(&mut text, tally);
    list_not_run(&mut text, tally);
    let seconds = tally.duration.as_secs();
    let (passed, failed, skipped) = tally.counts();
    text.push_str(&format!("\nin {}:{:02} minutes\n", seconds / 60, seconds % 60));
    text.push_str(&format!("{passed} passed, {failed} failed, {skipped} skipped\n"));
    text
}

fn cells(row: &Row) -> [String; 5] {
    let number = |count: usize| if count == 0 { "-".to_owned() } else { count.to_string() };
    [
        row.suite.clone(),
        number(row.count(|outcome| *outcome == Outcome::Passed)),
        number(row.count(|outcome| *outcome == Outcome::Failed)),
        number(row.count(|outcome| matches!(outcome, Outcome::NotRun(_)))),
        format!("{:.1}", row.duration.as_secs_f64()),
    ]
}

fn grid(rows: &[[String; 5]]) -> String {
    let headings = HEADINGS.map(str::to_owned);
    let all = || std::iter::once(&headings).chain(rows);
    let first = all().map(|[suite, ..]| suite.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for [suite, passed, failed, not_run, seconds] in all() {
        // Writing to a string doesn't fail.
        writeln!(text, "{suite:first$}  {passed:>6}  {failed:>6}  {not_run:>7}  {seconds:>7}").ok();
    }
    text
}

fn list_failures(text: &mut String, tally: &Tally) {
    let failed = all_tests(tally).filter(|(.., outcome)| **outcome == Outcome::Failed);
    let names: Vec<String> = failed.map(|(suite, test, _)| full_name(suite, test)).collect();
    if !names.is_empty() {
        text.push_str(&format!("\nfailed:\n  {}\n", names.join("\n  ")));
    }
}

/// By reason: one missing package is named once, with all that waits for it.
fn list_not_run(text: &mut String, tally: &Tally) {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (suite, test, outcome) in all_tests(tally) {
        if let Outcome::NotRun(reason) = outcome {
            reasons.entry(reason).or_default().push(full_name(suite, test));
        }
    }
    if !reasons.is_empty() {
        text.push_str("\nnot run:\n");
    }
    for (reason, names) in reasons {
        text.push_str(&format!("  {reason}\n    {}\n", names.join("\n    ")));
    }
}

fn all_tests(tally: &Tally) -> impl Iterator<Item = (&str, &str, &Outcome)> {
    tally.rows.iter().flat_map(|row| {
        row.tests.iter().map(|(test, outcome)| (row.suite.as_str(), test.as_str(), outcome))
    })
}

fn full_name(suite: &str, test: &str) -> String {
    if suite == test { suite.to_owned() } else { format!("{suite}::{test}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tally() -> Tally {
        let test = |name: &str, outcome| (name.to_owned(), outcome);
        let missing = || Outcome::NotRun("no moon: wait".to_owned());
        let rows = vec![
            Row {
                suite: "kit::apply".to_owned(),
                tests: vec![test("a", Outcome::Passed), test("b", Outcome::Failed)],
                duration: Duration::from_millis(1250),
            },
            Row {
                suite: "vm".to_owned(),
                tests: vec![test("c", missing()), test("vm", missing())],
                duration: Duration::ZERO,
            },
        ];
        Tally { rows, duration: Duration::from_secs(125) }
    }

    #[test]
    fn the_table_says_all_of_it() {
        let expected = "\
suite       passed  failed  not run  seconds
kit::apply       1       1        -      1.2
vm               -       -        2      0.0

failed:
  kit::apply::b

not run:
  no moon: wait
    vm::c
    vm

in 2:05 minutes
1 passed, 1 failed, 2 skipped
";
        assert_eq!(render(&tally()), expected);
    }

    #[test]
    fn nothing_run_is_no_success() {
        let mut tally = Tally::default();
        assert!(!tally.is_success());
        tally.add_one("fmt", Outcome::NotRun("no cargo".to_owned()), Duration::ZERO);
        assert!(!tally.is_success());
        tally.add_one("fmt", Outcome::Passed, Duration::ZERO);
        assert!(tally.is_success());
        tally.add_one("clippy", Outcome::Failed, Duration::ZERO);
        assert!(!tally.is_success());
    }
}
