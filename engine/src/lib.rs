//! Images, layers and containers on a storage driver.
//!
//! The engine sees the driver only as `dyn GraphDriver`: it knows no driver by
//! name, mounts no layer itself, and never looks into a driver's folder.

pub mod additional;
pub mod archive;
pub mod care;
pub mod container;
mod engine;
mod error;
#[cfg(feature = "fault-injection")]
pub mod fault;
#[cfg(not(feature = "fault-injection"))]
mod fault;
pub mod foreign;
pub mod image;
mod in_tree;
pub mod store;

pub use engine::Engine;
pub use error::{Error, Result};
