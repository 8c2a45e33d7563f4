//! Lines for people, on standard error.

use std::error::Error;
use std::io::Write as _;

/// Writes one line on standard error, behind the program's name.
///
/// A line break within it becomes a blank. That standard error can't be written
/// to is nobody's to tell, so it is passed over.
pub fn say(line: &str) {
    let line = format!("fuse-overlay: {}\n", line.replace('\n', " "));
    if std::io::stderr().write_all(line.as_bytes()).is_err() {
        tracing::debug!("standard error is closed");
    }
}

/// An error with its causes, each behind a colon. One that tells its cause
/// itself isn't followed by it again.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
