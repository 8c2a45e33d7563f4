//! The program from outside: what it prints and exits with, and the process
//! around a mount. What is mounted here is the example `fuse-overlay-empty`,
//! which has the program's command line and process and no layers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod daemon;
mod errors;
mod support;
mod words;
