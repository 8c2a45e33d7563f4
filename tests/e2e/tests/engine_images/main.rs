//! Images in the engine, on the model driver: every node can be looked at, and
//! nothing needs a mount.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod damage;
mod fixture;
mod import;
mod interop;
mod load;
mod platforms;
mod remove;
mod together;
