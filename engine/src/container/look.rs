//! Looking at containers of a store that isn't open, for checking it: nothing
//! is made, noted or removed.

use std::path::{Path, PathBuf};

use super::error::Result;
use super::records::Details;
use super::state::{Life, StateRoot};

/// What is wrong with a container's record, if anything is.
pub(crate) fn record_problem(record: &str) -> Option<String> {
    serde_json::from_str::<Details>(record).err().map(|e| e.to_string())
}

/// Folders beneath `run_root` of containers of the store in `store` that nobody
/// keeps alive: their ids, and where they are.
pub(crate) fn dead_folders(run_root: &Path, store: &Path) -> Result<Vec<(String, PathBuf)>> {
    match StateRoot::existing(run_root, store)? {
        Some(state) => state.dead(),
        None => Ok(Vec::new()),
    }
}

/// Whether somebody keeps the container alive.
pub(crate) fn is_alive(run_root: &Path, store: &Path, id: &str) -> Result<bool> {
    match StateRoot::existing(run_root, store)? {
        Some(state) => Ok(matches!(state.look_at(id)?, Some(Life::Alive(_)))),
        None => Ok(false),
    }
}
