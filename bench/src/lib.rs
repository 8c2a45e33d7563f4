//! Measures Sapwood beside other systems, in one run on one machine.
//!
//! Absolute times say little about a program and much about the machine, so
//! subjects take turns, and every result is a ratio to a subject of the same
//! run.

pub mod start;
pub mod stats;
mod subject;

pub use subject::{Measured, Subject, interleave};
