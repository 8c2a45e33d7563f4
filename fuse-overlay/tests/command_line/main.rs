//! The program from outside: what it prints and exits with, and the process
//! around a mount. What is mounted to look at the process is the example
//! `fuse-overlay-empty`, which has the program's command line and no layers, and
//! can be made to fail at the right moment.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod daemon;
mod errors;
mod mounts;
mod support;
mod words;
