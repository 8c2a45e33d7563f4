//! Stores that somebody else fills: images are used from where they lie, nothing is
//! copied, and the other store never notices. Needs root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod gone;
mod refused;
mod support;
mod used;
