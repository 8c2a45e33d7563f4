//! `save`: what was loaded comes back byte for byte, whoever wrote it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::string_slice, reason = "ids are ASCII")]

#[path = "../../../../drivers/kit/tests/archives/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the kit's own tests use the rest")]
mod archives;
mod odd;
mod producers;
mod saved;
#[path = "../support/tools.rs"]
mod tools;
