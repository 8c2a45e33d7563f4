//! The cases that every driver must pass, generic over its factory, and what
//! runs them.
//!
//! A driver's `tests/conformance.rs` (with `harness = false`) is one line:
//!
//! ```no_run
//! # fn factory() -> Box<dyn graphdriver_api::DriverFactory> { unreachable!() }
//! # macro_rules! include_str { ($path:literal) => { "run = 1" } }
//! use graphdriver_conformance::suite::{Subject, main};
//!
//! fn run() -> std::process::ExitCode {
//!     main(Subject::from(factory()), include_str!("../conformance.toml"))
//! }
//! ```
//!
//! # A case
//!
//! Each checks one sentence: of the contract, of the image specification, or
//! of a manual page. It has a root directory of its own, knows nothing of other
//! cases and nothing of the driver's name, and reaches every file by
//! descriptor. What drivers may differ in, it asks [`Traits`], and then checks
//! the answer in both directions.
//!
//! A case passes, fails, doesn't apply (by a trait), or isn't run (because the
//! host lacks something); the last two are told by name and counted. After
//! each, nothing may be mounted any more, and nothing lie beside the root.
//!
//! [`Traits`]: graphdriver_api::Traits

mod archive;
mod case;
mod cases;
mod child;
mod context;
mod edits;
mod files;
mod harness;
mod host;
mod report;
mod run;
mod stop;
mod store;
mod subject;

pub use case::{Case, Kind, Need, Rule};
pub use cases::all;
pub use context::Context;
pub use harness::{NOT_RUN_ENV, main};
pub use host::{BACKING_ENV, Host, Kernel};
pub use report::{Counts, Report};
pub use run::{Done, Outcome, Runner};
pub use stop::{Stop, Verdict};
pub use subject::Subject;
