//! Why no driver was opened.

use std::fmt;

use graphdriver_api::choice::Refusal;

/// Why no driver was opened. `Display` is one line with the next step.
#[derive(Debug)]
pub enum OpenError {
    /// None was chosen.
    Refused(Refusal),
    /// The chosen one, or the look at what lies on the disk, failed.
    Driver(graphdriver_api::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Driver(error) => f.write_str(&error.report()),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<Refusal> for OpenError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<graphdriver_api::Error> for OpenError {
    fn from(error: graphdriver_api::Error) -> Self {
        Self::Driver(error)
    }
}
