//! `storage check --content`: whatever isn't in a layer's tree as its archive
//! says is found, told with its path and how it differs, and nothing else is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../../../drivers/kit/tests/archives/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the kit's own tests use the rest")]
mod archives;
mod layers;
mod many;
mod store;
mod without_outline;
