//! How a test says that this machine lacks what it needs.
//!
//! A test that returns early counts as passed, and a suite of those is green
//! with nothing run. So it appends a line to the file that [`NOT_RUN_ENV`]
//! names, and the table at the end of `make test` takes it from the passed.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};

/// Names the file that collects what did not run, one line each:
/// `NOT RUN: <suite>::<test>: <reason>`. Unset outside `make test`.
pub const NOT_RUN_ENV: &str = "SAPWOOD_NOT_RUN";

/// Reports the calling test as not run, for a reason in words: what is missing, and how to get it.
///
/// Call it from the test's own thread and return right after. Without
/// [`NOT_RUN_ENV`] the line goes to standard error, where `cargo test --
/// --nocapture` shows it. One write of one line: tests may report side by side.
///
/// # Errors
///
/// The file could not be written. Let the test fail then: a skip that
/// nobody hears of is what this is here to prevent.
pub fn not_run(reason: &str) -> io::Result<()> {
    write(&format!("NOT RUN: {}: {}\n", test_name(), reason.replace('\n', " ")))
}

/// Reports lines that others wrote, in a guest for one, as [`not_run`] reports its own.
///
/// # Errors
///
/// As [`not_run`].
pub fn pass_not_run_on(lines: &[String]) -> io::Result<()> {
    lines.iter().try_for_each(|line| write(&format!("{line}\n")))
}

fn write(line: &str) -> io::Result<()> {
    match env::var_os(NOT_RUN_ENV) {
        Some(path) => {
            OpenOptions::new().append(true).create(true).open(path)?.write_all(line.as_bytes())
        }
        None => io::stderr().write_all(line.as_bytes()),
    }
}

/// The test as `cargo nextest` names it, or by its binary and thread.
fn test_name() -> String {
    match (env::var("NEXTEST_BINARY_ID"), env::var("NEXTEST_TEST_NAME")) {
        (Ok(binary), Ok(test)) => format!("{binary}::{test}"),
        _ => std::thread::current().name().unwrap_or("unnamed").to_owned(),
    }
}
