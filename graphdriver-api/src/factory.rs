//! Finding out whether a driver works here, and opening it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::care::Care;
use crate::driver::GraphDriver;
use crate::error::Result;
use crate::status::Fact;

/// An option that a driver understands, for help texts and for errors that
/// list what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OptionHelp {
    /// As users write it (`overlay2.metacopy`).
    pub name: &'static str,
    /// Its values and its default (`on|off|auto, default off`).
    pub values: &'static str,
    /// What it does, one sentence.
    pub help: &'static str,
}

/// Options as a user gave them (`--storage-opt NAME=VALUE`), in order; a later
/// one wins over an earlier one of the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriverOptions(pub Vec<(String, String)>);

/// Whether a driver works on this host and root, found out by doing it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Suitability {
    /// It works; the facts say what was found.
    Suitable(Vec<Fact>),
    /// It doesn't.
    Unsuitable {
        /// What is missing or refused, one clause ("the kernel has no overlay
        /// file system").
        reason: String,
        /// What would mend it, one clause, where something would.
        remedy: Option<String>,
    },
}

/// What exists of a driver before it is opened. One a driver, without state.
pub trait DriverFactory: Send + Sync + fmt::Debug {
    /// The name by which users choose it.
    fn name(&self) -> &'static str;

    /// What it is and needs, one line for a table.
    fn summary(&self) -> &'static str;

    /// Every option it understands.
    fn options(&self) -> &'static [OptionHelp];

    /// Finds out whether the driver can work with `root`, to the end: where
    /// only a mount shows it, it mounts. `root` need not exist; then its
    /// nearest existing parent is asked. Leaves nothing behind.
    ///
    /// Cost: some milliseconds.
    fn probe(&self, root: &Path, options: &DriverOptions) -> Suitability;

    /// Whether there are nodes in `root`, without opening it: nothing is made,
    /// mended or mounted. A root that isn't there, or that was opened and never
    /// used, has none.
    ///
    /// # Errors
    /// `Io` if that can't be found out; `Corrupt` if `root` is not this
    /// driver's. Never `Ok(false)` for want of knowing.
    fn has_data(&self, root: &Path) -> Result<bool>;

    /// Opens the driver on `root`, which is made if it isn't there, and
    /// recovers what a crash left: half-made nodes go to be reclaimed, mounts
    /// without a holder are unmounted. What a living process holds is left
    /// alone. Several processes may have it open at once.
    ///
    /// `root` belongs to the driver alone; it touches nothing above it.
    ///
    /// # Errors
    /// `InvalidArgument` (an unknown option or value: lists what there is),
    /// `Prerequisite` (what [`probe`](Self::probe) would have said),
    /// `Corrupt` (not this driver's root, or of a newer format).
    fn open(&self, root: &Path, options: &DriverOptions) -> Result<Arc<dyn GraphDriver>>;

    /// The power to check and mend a root that isn't open, where the driver has
    /// it.
    fn care(&self) -> Option<&dyn Care> {
        None
    }
}
