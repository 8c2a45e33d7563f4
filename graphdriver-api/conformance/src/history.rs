//! Random histories: whatever a driver is made to do in whatever order, its
//! trees are those of the model.
//!
//! A history is a series of operations over several layers: everything that
//! can be done to files, commits, children, remounts, reopening, and layers
//! taken elsewhere by their differences. Each is done to the driver, through
//! its mounts, and to a [`Tree`](crate::tree::Tree). After each, the answers
//! must be the same, error numbers included, and the whole trees must be,
//! content and attributes. At the end no layer may have changed.
//!
//! What differs between drivers is asked of [`Traits`]; nothing here knows a
//! driver's name.
//!
//! # Running
//!
//! A driver's `tests/histories.rs` calls [`Bench::check`]. From the
//! environment, `SAPWOOD_HISTORIES` says how many, and `SAPWOOD_HISTORY_SEED`
//! the seed of the first; each one's seed is its predecessor's plus one. A
//! failure is shrunk and printed as text, which [`Bench::replay`] runs; put
//! into `histories/`, and named in [`REGRESSIONS`], it is a case for ever.
//!
//! [`Traits`]: graphdriver_api::Traits

mod bench;
mod clock;
mod generate;
mod guide;
mod hands;
mod layers;
mod minimise;
mod op;
mod oracle;
mod regressions;
mod stats;
mod text;
mod world;

pub use bench::{Bench, COUNT_ENV, Failure, SEED_ENV};
pub use hands::MapWrite;
pub use op::{Action, Fill, Kind, Op};
pub use regressions::REGRESSIONS;
pub use stats::Stats;
pub use text::{from_text, to_text};
