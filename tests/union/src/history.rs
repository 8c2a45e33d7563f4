//! Random histories: the same operations on a subject and on kernel overlayfs,
//! over the same layers. After each, the same answer; now and then, at the end
//! and after a remount, the same tree.
//!
//! | Part | What it is |
//! |---|---|
//! | [`Op`] | one operation, as data |
//! | `generate` | histories from a seed, and smaller ones of one that failed |
//! | `apply` | an operation done to a mounted tree, and its answer |
//! | [`Pair`] | the two unions side by side |
//! | [`check`] | many histories |

mod apply;
mod check;
mod generate;
mod op;
mod pair;

pub use check::{Check, HISTORIES_ENV, SEED_ENV, check};
pub use op::{Flag, Op};
pub use pair::{Ended, Pair};
