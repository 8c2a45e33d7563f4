//! What is overlay2's own, beyond what every driver must do: ways of mounting,
//! redirects and copied attributes, whiteouts that would be seen, mounts that
//! live on, volatile drafts, plans with difficult paths, depth, leavings.
//!
//! These need root. Each test runs in a mount namespace of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]
#![allow(clippy::string_slice, clippy::type_complexity, reason = "a test fails by panicking")]

mod borrowed;
mod cost;
mod depth;
mod leavings;
mod options;
mod plans;
mod redirects;
mod support;
mod volatile;
mod ways;
mod whiteouts;
mod writers;
