//! Why the suites could not be run or counted.

use std::fmt;
use std::path::Path;

/// What was being done, and why it failed, in one line.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    /// For `map_err`: says what was being done.
    pub(crate) fn during<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }

    /// For `map_err`: says what file it was about.
    pub(crate) fn at<E: fmt::Display>(path: &Path) -> impl FnOnce(E) -> Self {
        Self::during(path.display())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
