//! The examples in the documentation.

use crate::Request;
use crate::command::{cargo, packages, read, say};
use crate::error::Error;
use crate::tally::{Outcome, Row, Tally};

/// Adds a row. rustdoc knows no machine-readable output: its summaries are read, and if there is
/// none, nothing ran.
pub(crate) fn run(request: &Request, tally: &mut Tally) -> Result<(), Error> {
    let mut command = cargo(request, &["test", "--locked", "--doc", "--no-fail-fast", "--quiet"]);
    packages(request, &mut command);
    let (output, duration) = read("doc tests", &mut command)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (passed, failed) = count(&text);
    let ok = output.status.success();
    if !ok {
        say(&text)?;
    }
    let outcomes = std::iter::repeat_n(Outcome::Passed, passed)
        .chain(std::iter::repeat_n(Outcome::Failed, failed))
        // A failure to compile, or no summary at all, is a failure of the whole.
        .chain((!ok && failed == 0).then_some(Outcome::Failed));
    let tests: Vec<_> = outcomes.map(|outcome| ("an example".to_owned(), outcome)).collect();
    if !tests.is_empty() {
        tally.rows.push(Row { suite: "doc tests".to_owned(), tests, duration });
    }
    Ok(())
}

/// Sums up `test result: ok. 3 passed; 0 failed; …`, one such line a crate.
fn count(text: &str) -> (usize, usize) {
    let number = |line: &str, word: &str| -> usize {
        let part = line.split([';', '.']).find_map(|part| part.trim().strip_suffix(word));
        part.and_then(|digits| digits.trim().parse().ok()).unwrap_or_default()
    };
    let summaries = text.lines().filter(|line| line.starts_with("test result: "));
    summaries.fold((0, 0), |(passed, failed), line| {
        (passed + number(line, "passed"), failed + number(line, "failed"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_added_up() {
        let text = "\nrunning 3 tests\n...\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s\n";
        assert_eq!(count(text), (4, 2));
        assert_eq!(count("all good"), (0, 0));
    }
}
