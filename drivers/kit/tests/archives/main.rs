//! Layer archives onto real trees, held against the kernel's overlayfs, GNU tar
//! and umoci.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

mod cases;
mod cost;
mod gnu;
mod hostile;
mod parser;
mod truncated;
mod umoci;
mod upper;
