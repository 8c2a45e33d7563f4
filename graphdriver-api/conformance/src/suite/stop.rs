//! How a case ends early: what it returns instead of panicking, and the small
//! checks that return it.

use std::fmt::{self, Debug, Display};
use std::io;

use graphdriver_api::{Error, ErrorKind};
use rustix::io::Errno;

/// What a case returns.
pub type Verdict<T = ()> = Result<T, Stop>;

/// Why a case ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// What was expected and what happened.
    Failed(String),
    /// What this host lacks for the case to be run at all.
    NotRun(String),
}

impl Stop {
    /// A failure: what was expected and what happened.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    fn within(self, what: &dyn Display) -> Self {
        match self {
            Self::Failed(message) => Self::Failed(format!("{what}: {message}")),
            not_run @ Self::NotRun(_) => not_run,
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::failed(format!("{error:?}"))
    }
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::failed(io::Error::from(errno).to_string())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<graphdriver_api::IdError> for Stop {
    fn from(error: graphdriver_api::IdError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<std::num::ParseIntError> for Stop {
    fn from(error: std::num::ParseIntError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<std::num::TryFromIntError> for Stop {
    fn from(error: std::num::TryFromIntError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<serde_json::Error> for Stop {
    fn from(error: serde_json::Error) -> Self {
        Self::failed(error.to_string())
    }
}

/// Says what was being done when something failed.
pub(super) trait When<T> {
    /// Puts `what` before the message of a failure.
    fn when(self, what: impl Display) -> Verdict<T>;
}

impl<T, E: Into<Stop>> When<T> for Result<T, E> {
    fn when(self, what: impl Display) -> Verdict<T> {
        self.map_err(|e| e.into().within(&what))
    }
}

/// Fails unless the condition holds; the rest is the message.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::suite::stop::Stop::failed(format!($($message)+)));
        }
    };
}
pub(super) use ensure;

/// Fails unless both are equal.
#[allow(clippy::needless_pass_by_value)] // Most callers have just made what they pass.
pub(super) fn same<T: PartialEq<U> + Debug, U: Debug>(
    what: impl Display,
    found: T,
    expected: U,
) -> Verdict {
    ensure!(found == expected, "{what}: expected {expected:?}, found {found:?}");
    Ok(())
}

/// Fails unless the call was refused with an error of that kind; gives it.
pub(super) fn refused<T>(
    what: impl Display,
    result: Result<T, Error>,
    kind: ErrorKind,
) -> Verdict<Error> {
    refused_as(what, result, &[kind])
}

/// Fails unless the call was refused with an error of one of those kinds.
pub(super) fn refused_as<T>(
    what: impl Display,
    result: Result<T, Error>,
    kinds: &[ErrorKind],
) -> Verdict<Error> {
    match result {
        Err(error) if kinds.contains(&error.kind()) => Ok(error),
        Err(error) => Err(Stop::failed(format!("{what}: expected {}, got {error:?}", Any(kinds)))),
        Ok(_) => Err(Stop::failed(format!("{what}: expected {}, but it succeeded", Any(kinds)))),
    }
}

/// Fails unless the system call was refused with that error.
pub(super) fn errno<T, E: Into<io::Error>>(
    what: impl Display,
    result: Result<T, E>,
    expected: Errno,
) -> Verdict {
    let found = result.map_err(Into::into).err();
    let code = found.as_ref().and_then(io::Error::raw_os_error);
    ensure!(
        code == Some(expected.raw_os_error()),
        "{what}: expected \"{}\", found {found:?}",
        io::Error::from(expected)
    );
    Ok(())
}

struct Any<'a>(&'a [ErrorKind]);

impl Display for Any<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|k| format!("{k:?}")).collect();
        f.write_str(&names.join(" or "))
    }
}

/// The thread at the other end of a channel has ended.
pub(super) fn gone<E: Display>(error: E) -> Stop {
    Stop::failed(format!("a thread has ended early: {error}"))
}
