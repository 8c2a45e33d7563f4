//! What tests say about themselves: `NOT RUN: <suite>::<test>: <reason>`.
//!
//! Such a test ends well, so it's among the passed: it's taken from them here.

use std::time::Duration;

use crate::tally::{Outcome, Row};

const MARK: &str = "NOT RUN: ";

/// Corrects `rows` by the lines that tests wrote. What fits no test (a part of one, say) becomes
/// an entry of its own, so that nothing that was reported is lost.
pub(crate) fn reconcile(rows: &mut Vec<Row>, lines: &str) {
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let text = line.strip_prefix(MARK).unwrap_or(line);
        if !mark(rows, text) {
            let (name, reason) = text.split_once(": ").unwrap_or((text, "no reason given"));
            let tests = vec![(name.to_owned(), Outcome::NotRun(reason.to_owned()))];
            rows.push(Row { suite: name.to_owned(), tests, duration: Duration::ZERO });
        }
    }
}

/// Finds the test that `text` begins with. A second reason of the same test adds nothing, and a
/// test that failed has failed.
fn mark(rows: &mut [Row], text: &str) -> bool {
    for row in rows {
        let Some(rest) = text.strip_prefix(&row.suite).and_then(|rest| rest.strip_prefix("::"))
        else {
            continue;
        };
        for (test, outcome) in &mut row.tests {
            let reason = rest.strip_prefix(test.as_str()).and_then(|rest| rest.strip_prefix(": "));
            if let Some(reason) = reason {
                if *outcome == Outcome::Passed {
                    *outcome = Outcome::NotRun(reason.to_owned());
                }
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reported_tests_are_taken_from_the_passed() {
        let test = |name: &str, outcome| (name.to_owned(), outcome);
        let tests = vec![
            test("a", Outcome::Passed),
            test("a::b", Outcome::Passed),
            test("c", Outcome::Failed),
        ];
        let row = Row { suite: "kit::x".to_owned(), tests, duration: Duration::ZERO };
        let mut rows = vec![Row { suite: "kit".to_owned(), ..Row::default() }, row];
        let lines = "NOT RUN: kit::x::a::b: no loop: modprobe loop\n\
            NOT RUN: kit::x::a::b: again\n\
            NOT RUN: kit::x::c: no disk\n\
            NOT RUN: case 7 of kit: needs root\n";
        reconcile(&mut rows, lines);
        assert_eq!(rows[1].tests[0].1, Outcome::Passed);
        assert_eq!(rows[1].tests[1].1, Outcome::NotRun("no loop: modprobe loop".to_owned()));
        assert_eq!(rows[1].tests[2].1, Outcome::Failed);
        assert_eq!(rows[2].suite, "case 7 of kit");
        assert_eq!(rows.len(), 3);
    }
}
