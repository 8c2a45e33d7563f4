//! What is wrong with an archive. Its name is added where it is known.

use std::fmt;
use std::io;

use crate::error::Error;

/// The result of reading an archive.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// One thing that is wrong with an archive, in words, and what showed it.
#[derive(Debug)]
pub(crate) struct Problem {
    text: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Problem {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }

    /// `text` says what couldn't be done; the source says why.
    pub(crate) fn because(
        text: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { text: text.into(), source: Some(source.into()) }
    }

    /// The same problem, said of a part of the archive.
    pub(crate) fn of(mut self, part: &dyn fmt::Display) -> Self {
        self.text = format!("{part}: {}", self.text);
        self
    }

    /// The error that a user sees.
    pub(crate) fn in_archive(self, archive: &str) -> Error {
        Error::BadArchive { archive: archive.to_owned(), problem: self.text, source: self.source }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::because("can't read it", error)
    }
}
