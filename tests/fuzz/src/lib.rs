//! Targets for fuzzing, and a fuzzer that needs nothing but a seed.
//!
//! A target takes any bytes, and panics where a promise is broken. It has the
//! form that libFuzzer wants, so that a fuzzer guided by coverage can drive it
//! too; the tests of this crate drive it with inputs that they change at
//! random, in the same order every time.

mod mutate;
mod targets;

pub use mutate::Mutator;
pub use targets::{attributes, config, layer, record, reference};
