//! What the host asks of the guest's init, and what the guest writes back.
//!
//! Both travel through a directory of the host that the guest mounts. Events
//! are appended and flushed one by one, so that a panic in the tenth test
//! leaves nine outcomes and the name of the culprit.

use std::ffi::OsString;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::disk::FileSystem;
use crate::report::Ended;

/// Names, inside the guest, a directory that is writable on both sides.
pub const OUTPUT_ENV: &str = "SAPWOOD_VM_OUTPUT";

/// Set inside the guest, to the release of its kernel, so that a program can tell where it runs.
pub const VM_ENV: &str = "SAPWOOD_VM";

/// Where the guest sees the directory that holds the files below.
pub(crate) const RUN_MOUNT: &str = "/run/sapwood-vm";
/// Where the guest sees the output directory.
pub(crate) const OUTPUT_MOUNT: &str = "/run/sapwood-vm-output";
/// The request.
pub(crate) const JOB_FILE: &str = "job.json";
/// The answer: one [`Event`] a line.
pub(crate) const EVENTS_FILE: &str = "events.jsonl";
/// What the guest's tests report through [`crate::NOT_RUN_ENV`].
pub(crate) const NOT_RUN_FILE: &str = "not-run";

/// Everything the guest's init has to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub hostname: String,
    pub program: OsString,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
    pub directory: OsString,
    /// Directories of the host that stay visible where a tmpfs would hide them.
    pub shares: Vec<OsString>,
    pub modules: Modules,
    pub disks: Vec<Mounted>,
    pub output: OsString,
    pub mode: Mode,
}

/// Kernel modules to load, and a script in the run's directory that does so.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Modules {
    pub modprobe: String,
    pub names: Vec<String>,
}

/// A disk that is to be mounted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Mounted {
    pub device: String,
    pub format: FileSystem,
    pub path: OsString,
    pub options: String,
}

/// What to do with the program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// Run it once, with the arguments.
    Once,
    /// It's a test binary: list its tests with the arguments, then run each in a process of its own.
    Each {
        /// What the tests' names are reported under.
        suite: String,
        /// When a single test is ended.
        deadline: Duration,
    },
}

/// What happened in the guest, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// Init could not prepare the machine, in words. The last event.
    SetupFailed(String),
    /// A test that its author marked `#[ignore]`.
    Ignored(String),
    /// A test begins. Without an end it took the kernel with it.
    Started(String),
    /// A test is over.
    Done { test: String, ended: Ended, millis: u64 },
    /// The program (or, with [`Mode::Each`], every test of it) is over. The last event.
    Finished(Ended),
}
