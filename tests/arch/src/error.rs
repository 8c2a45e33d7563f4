//! Why the workspace could not be read. Breaking a rule is no error: see `rules`.

use std::fmt;
use std::path::{Path, PathBuf};

/// What could not be read, and why.
#[derive(Debug)]
pub struct Error {
    path: PathBuf,
    why: String,
}

impl Error {
    /// For `map_err`.
    pub(crate) fn at<E: fmt::Display>(path: &Path) -> impl FnOnce(E) -> Self {
        move |why| Self { path: path.to_owned(), why: why.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for Error {}
