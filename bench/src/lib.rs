//! Measures Sapwood beside other systems, in one run on one machine.
//!
//! Absolute times say little about a program and much about the machine, so
//! subjects take turns, and every result is a ratio to a subject of the same
//! run.

pub mod load;
pub mod start;
pub mod stats;
mod subject;
pub mod system;

pub use subject::{Candidate, Measured, Subject, interleave};
