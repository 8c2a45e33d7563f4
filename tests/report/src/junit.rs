//! What nextest writes about each test.

use std::time::Duration;

use roxmltree::{Document, Node};

use crate::error::Error;
use crate::tally::{Outcome, Row};

/// A row for each test binary.
pub(crate) fn parse(xml: &str) -> Result<Vec<Row>, Error> {
    let document = Document::parse(xml).map_err(Error::during("understand nextest's report"))?;
    let suites = document.root_element().children().filter(|node| node.has_tag_name("testsuite"));
    Ok(suites.map(row).collect())
}

fn row(suite: Node<'_, '_>) -> Row {
    let cases = || suite.children().filter(|node| node.has_tag_name("testcase"));
    let seconds = |case: Node<'_, '_>| case.attribute("time").and_then(|time| time.parse().ok());
    Row {
        suite: attribute(suite, "name"),
        tests: cases().map(|case| (attribute(case, "name"), outcome(case))).collect(),
        duration: cases().filter_map(seconds).map(Duration::from_secs_f64).sum(),
    }
}

fn attribute(node: Node<'_, '_>, name: &str) -> String {
    node.attribute(name).unwrap_or_default().to_owned()
}

/// A test that failed first and then passed has both in its file: it failed.
fn outcome(case: Node<'_, '_>) -> Outcome {
    let broken = ["failure", "error", "flakyFailure", "flakyError"];
    if case.children().any(|node| broken.contains(&node.tag_name().name())) {
        return Outcome::Failed;
    }
    match case.children().find(|node| node.has_tag_name("skipped")) {
        Some(skipped) => {
            let why = skipped.attribute("message").unwrap_or("nextest left it out");
            Outcome::NotRun(why.to_owned())
        }
        None => Outcome::Passed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="nextest-run" tests="4" failures="2" errors="0" time="5.2">
          <testsuite name="kit::apply" tests="4" disabled="0" errors="0" failures="2">
            <testcase name="plain" classname="kit::apply" time="0.25"></testcase>
            <testcase name="breaks" classname="kit::apply" time="1.5">
              <failure type="test failure with exit code 101">it broke</failure>
              <system-out>running</system-out>
            </testcase>
            <testcase name="hesitates" time="0.25"><flakyFailure type="x"/></testcase>
            <testcase name="left" time="0"><skipped message="filtered"/></testcase>
          </testsuite>
        </testsuites>"#;

    #[test]
    fn every_test_has_its_outcome() {
        let rows = parse(XML).unwrap();
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!(row.suite, "kit::apply");
        assert_eq!(row.duration, Duration::from_secs(2));
        let expected = [
            ("plain".to_owned(), Outcome::Passed),
            ("breaks".to_owned(), Outcome::Failed),
            ("hesitates".to_owned(), Outcome::Failed),
            ("left".to_owned(), Outcome::NotRun("filtered".to_owned())),
        ];
        assert_eq!(row.tests, expected);
    }

    #[test]
    fn what_is_no_report_is_an_error() {
        assert!(parse("running 3 tests").is_err());
    }
}
