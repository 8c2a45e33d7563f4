//! How a case says what was wrong, and where in its source.

use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::panic::Location;

use rustix::io::Errno;

/// What a case found wrong, with the line that found it.
///
/// It is made of any error by `?`, which notes the line. So it is no
/// [`Error`] itself.
#[derive(Clone)]
pub struct Failure {
    what: String,
    place: &'static Location<'static>,
}

/// What a case returns.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure at the caller's line.
    #[track_caller]
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), place: Location::caller() }
    }

    /// What was wrong, without the line.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl<E: Error> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        let mut what = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            what = format!("{what}: {error}");
            source = error.source();
        }
        Self { what, place: Location::caller() }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.what, self.place.file(), self.place.line())
    }
}

impl Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// Fails unless `condition` holds; `what` says what should have been.
///
/// # Errors
/// The failure.
#[track_caller]
pub fn holds(condition: bool, what: &str) -> Outcome {
    if condition { Ok(()) } else { Err(Failure::new(format!("not so: {what}"))) }
}

/// Fails unless `found` is `expected`.
///
/// # Errors
/// The failure, with both.
#[expect(clippy::needless_pass_by_value, reason = "a case compares what calls return")]
#[track_caller]
pub fn equal<A: PartialEq<B> + Debug, B: Debug>(what: &str, found: A, expected: B) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(Failure::new(format!("{what}: found {}, expected {}", brief(&found), brief(&expected))))
}

/// Fails unless `result` is this error.
///
/// # Errors
/// The failure, with what it was instead.
#[expect(clippy::needless_pass_by_value, reason = "a case compares what calls return")]
#[track_caller]
pub fn fails_with<T>(what: &str, result: Result<T, Errno>, expected: Errno) -> Outcome {
    match result {
        Err(e) if e == expected => Ok(()),
        Err(e) => Err(Failure::new(format!("{what}: {e}, expected {expected}"))),
        Ok(_) => Err(Failure::new(format!("{what}: succeeded, expected {expected}"))),
    }
}

/// A value in a few words: what is long is cut.
fn brief(value: &dyn Debug) -> String {
    let whole = format!("{value:?}");
    match whole.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", whole.get(..end).unwrap_or_default()),
        None => whole,
    }
}
