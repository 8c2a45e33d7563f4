//! Commands on containers: `run`, `ps`, `rm`, and the hidden one by which this
//! program becomes a container's monitor.

mod ps;
mod rm;
mod run;

use std::ffi::OsStr;
use std::path::Path;

use sapwood_engine::Engine;
use sapwood_engine::container::{Containers, Error, MONITOR_COMMAND, monitor};

use crate::failure::Failure;

pub use ps::{PsArgs, ps};
pub use rm::{RmArgs, rm};
pub use run::{RunArgs, run};

/// Whether this process was started to be a container's monitor. Asked before
/// anything else: a monitor needs none of what the other commands set up.
#[must_use]
pub fn is_monitor() -> bool {
    std::env::args_os().nth(1).as_deref() == Some(OsStr::new(MONITOR_COMMAND))
}

/// A monitor's whole life.
///
/// # Errors
/// Somebody typed its hidden name.
pub fn monitor() -> Result<(), Failure> {
    monitor::main()
        .map_err(|e| Failure::new(format!("'{MONITOR_COMMAND}' is for `sapwood run` itself: {e}")))
}

fn open<'a>(engine: &'a Engine, runroot: &Path) -> Result<Containers<'a>, Failure> {
    Containers::open(engine, runroot).map_err(|e| failure(&e))
}

fn failure(error: &Error) -> Failure {
    Failure::new(error.to_string())
}
