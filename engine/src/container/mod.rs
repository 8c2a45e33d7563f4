//! Containers: processes on an image's tree, fenced in.
//!
//! There is no daemon. The command that runs a container is its engine as long
//! as it runs: it holds the tree's mount in a mount namespace of its own,
//! connects the streams, forwards signals. Beside it a [`monitor`] makes the
//! container and waits for it. Either may be killed at any time: the other, or
//! the kernel, ends the container, and the next command on containers settles
//! what is left.
//!
//! # From request to end
//!
//! 1. [`value`] and [`request`]: flags become typed values. `check`: what
//!    can't be honoured here is refused by name; nothing has been made yet.
//! 2. `init_layer`, `records`, `state`: a layer for mount points, a row, and a
//!    folder with the lock that says that the container is alive.
//! 3. [`rootfs`]: a draft on that layer, mounted. [`spec`]: the runtime's
//!    `config.json`.
//! 4. [`monitor`], [`runtime`]: the process. `attach`: its streams, terminal
//!    and signals.
//! 5. The end: unmounted, noted in the row, or removed with everything.

mod attach;
pub mod cgroup;
mod check;
mod commit;
pub mod error;
pub mod host;
mod init_layer;
mod launch;
mod list;
mod look;
pub mod monitor;
mod name;
mod process;
mod prune;
mod records;
mod recover;
mod remove;
pub mod request;
pub mod rootfs;
mod run;
pub mod runtime;
pub mod spec;
mod standstill;
mod state;
pub mod value;

use std::path::{Path, PathBuf};

use self::state::StateRoot;
use crate::engine::Engine;

pub use commit::Commit;
pub use error::{Error, ErrorKind, Result};
pub(crate) use init_layer::is_init_layer;
pub use launch::Monitor;
pub use list::{Filter, Status, Summary};
pub(crate) use look::{dead_folders, is_alive, record_problem};
pub use name::short;
pub use prune::PrunedContainers;

/// The hidden command by which this program becomes a container's monitor.
pub const MONITOR_COMMAND: &str = "monitor";

/// An engine's containers.
#[derive(Debug)]
pub struct Containers<'a> {
    engine: &'a Engine,
    state: StateRoot,
    /// Beside the stores' folders, as no filter depends on a store.
    filters: PathBuf,
}

impl<'a> Containers<'a> {
    /// The containers of `engine`, with what needn't survive a reboot beneath
    /// `run_root`, which is made if it isn't there.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn open(engine: &'a Engine, run_root: &Path) -> Result<Self> {
        let state = StateRoot::open(run_root, engine.store().dir())?;
        Ok(Self { engine, state, filters: run_root.join("filters") })
    }
}
