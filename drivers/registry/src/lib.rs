//! Every storage driver by name: the one place that knows them all.
//!
//! Under a store's root each driver has a directory of its own, called by its
//! name. Probing a driver costs milliseconds and mounts things, so only those
//! are probed that the choice depends on: a named driver alone, or the only
//! one that has data.

mod choose;
mod error;

use std::path::{Path, PathBuf};

use graphdriver_api::DriverFactory;

pub use choose::{candidates, open_chosen};
pub use error::OpenError;

/// A driver as the choice sees it before probing.
#[derive(Debug, Clone, Copy)]
struct Entry {
    factory: &'static dyn DriverFactory,
    /// Whether it may be chosen without being asked for.
    automatic: bool,
}

/// In the order of preference: what shares most and needs no copying first.
/// vfs comes last: it works everywhere, and stores each layer in full.
const DRIVERS: [Entry; 2] = [
    Entry { factory: &sapwood_driver_overlay2::Overlay2Factory, automatic: true },
    Entry { factory: &sapwood_driver_vfs::VfsFactory, automatic: true },
];

/// Every driver's factory, in the order of preference.
pub fn factories() -> impl Iterator<Item = &'static dyn DriverFactory> {
    DRIVERS.iter().map(|entry| entry.factory)
}

/// The directory of one driver under a store's root.
#[must_use]
pub fn driver_root(root: &Path, name: &str) -> PathBuf {
    root.join(name)
}
