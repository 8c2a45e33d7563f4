//! Containers.
mod attach;
pub mod cgroup;
pub mod error;
pub mod host;
mod launch;
pub mod monitor;
mod process;
pub mod request;
pub mod rootfs;
pub mod runtime;
pub mod spec;
mod state;
pub mod value;
pub use error::{Error, ErrorKind, Result};

/// The hidden command by which this program becomes a container's monitor.
pub const MONITOR_COMMAND: &str = "monitor";
