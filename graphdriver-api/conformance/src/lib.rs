//! What every storage driver must do, as cases and random histories that run
//! against any driver, and the in-memory model that judges them.
//!
//! Knows the contract and no driver: where drivers may differ, it asks
//! [`Traits`](graphdriver_api::Traits).

pub mod expect;
pub mod history;
pub mod model;
pub mod snapshot;
pub mod suite;
pub mod tree;
