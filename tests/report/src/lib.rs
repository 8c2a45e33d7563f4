//! Runs the suites, counts, and prints a table of what ran and what did not.
//!
//! Green with nothing run is the failure that this is here to prevent: a test
//! that this machine can't run is counted and named with its reason, a test
//! target in which nothing ran fails, and so does a crate without any test.

mod command;
mod doctests;
mod error;
mod guests;
mod junit;
mod lints;
mod listing;
mod nextest;
mod not_run;
mod table;
mod tally;

use std::path::PathBuf;
use std::time::Instant;

pub use crate::error::Error;
pub use crate::table::render;
pub use crate::tally::{Outcome, Row, Tally};

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The workspace's root.
    pub root: PathBuf,
    /// Only these packages; all, if none is named.
    pub packages: Vec<String>,
    /// Leave the virtual machines out.
    pub without_guests: bool,
}

/// Checks the sources without running anything of them.
///
/// # Errors
///
/// A check could not be started. That it found something is no error.
pub fn lint(request: &Request) -> Result<Tally, Error> {
    let started = Instant::now();
    let mut tally = Tally::default();
    lints::run(request, &mut tally)?;
    tally.duration = started.elapsed();
    Ok(tally)
}

/// Checks the sources and runs every suite.
///
/// # Errors
///
/// A suite could not be started, or not be understood. That tests failed is no error.
pub fn test(request: &Request) -> Result<Tally, Error> {
    let started = Instant::now();
    let mut tally = Tally::default();
    lints::run(request, &mut tally)?;
    doctests::run(request, &mut tally)?;
    if let Some(listing) = nextest::build(request, &mut tally)? {
        nextest::run(request, &listing, &mut tally)?;
        if !request.without_guests {
            guests::run(request, &listing, &mut tally)?;
        }
        listing.complain_of_nothing(&mut tally);
    }
    tally.duration = started.elapsed();
    Ok(tally)
}

/// Runs the suites of the virtual machines, and nothing else.
///
/// # Errors
///
/// As [`test()`].
pub fn guests(request: &Request) -> Result<Tally, Error> {
    let started = Instant::now();
    let mut tally = Tally::default();
    if let Some(listing) = nextest::build(request, &mut tally)? {
        guests::run(request, &listing, &mut tally)?;
    }
    tally.duration = started.elapsed();
    Ok(tally)
}
