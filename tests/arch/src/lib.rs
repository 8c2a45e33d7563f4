//! The rules of docs/architecture.md, as data that a test holds the workspace to.
//!
//! A rule that nobody checks is broken within a month, and a check that can't
//! fail is worse than none. So each rule is a function from a description of
//! the workspace to complaints, the description is read from the real one by
//! one test, and from small broken ones in `fixtures/` by another, which
//! demands that every rule has at least one of those and reports it in the
//! words written there.
//!
//! To change what may depend on what, change [`table`] and docs/architecture.md
//! together. To add a rule, add it to [`rules::ALL`] and a fixture beside the others.

mod error;
mod read;
pub mod rules;
pub mod table;
mod tokens;
mod workspace;

pub use crate::error::Error;
pub use crate::read::read;
pub use crate::workspace::{Crate, Dependency, Kind, Source, Workspace};
