//! Looking after a store: whether its records, its driver and its disk agree;
//! mending it where they don't; giving space back; telling where it is.
//!
//! * [`check`](Site::check) compares, and changes nothing. It opens neither
//!   driver nor records, because opening recovers.
//! * [`repair`](Site::repair) does what the findings say.
//! * [`gc`](crate::Engine::gc) takes away what nothing needs.
//! * [`account`] tells what takes how much room, from what was counted when it
//!   was made.

pub mod account;
mod check;
mod content;
mod finding;
mod gc;
mod prune;
mod rebuild;
mod repair;
mod snapshot;

use std::path::{Path, PathBuf};

use graphdriver_api::Care;

pub use check::{Depth, Report};
pub use content::Unverified;
pub use finding::{Finding, Subject, SubjectKind};
pub use gc::{Garbage, Gone};
pub use prune::{Pruned, Which};
pub use repair::{Done, Mode, Outcome};

/// One driver's part of a store, closed.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The store's folder.
    pub root: &'a Path,
    /// The driver's name.
    pub driver: &'static str,
    /// The driver's power to check its root.
    pub care: &'a dyn Care,
    /// Where running containers have their folders.
    pub run_root: &'a Path,
    /// Every driver's name: their folders are no strangers.
    pub drivers: &'a [&'static str],
}

impl std::fmt::Debug for Site<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("root", &self.root).field("driver", &self.driver).finish()
    }
}

impl Site<'_> {
    /// The folder of the records.
    fn engine_dir(&self) -> PathBuf {
        self.root.join("engine").join(self.driver)
    }

    /// The driver's own root.
    fn driver_root(&self) -> PathBuf {
        self.root.join(self.driver)
    }
}
