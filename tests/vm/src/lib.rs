//! Runs a program that was built on this machine inside another kernel.
//!
//! Some of what Sapwood does can't be proven on the kernel that happens to be
//! running: cgroup v2 controllers, project quotas, thin pools, an overlay
//! that is three years older. This crate boots User-mode Linux (Debian's
//! package `user-mode-linux`, kernel 6.1) on the host's own root directory,
//! runs one program in it, and says how that ended.
//!
//! ```no_run
//! use std::path::Path;
//! use sapwood_vm::{Disk, Ended, FileSystem, Machine, Size};
//!
//! # fn main() -> Result<(), sapwood_vm::Error> {
//! let report = Machine::new()
//!     .memory(Size::mib(512))
//!     .module("overlay")
//!     .disk(Disk::new(Size::mib(256)).format(FileSystem::Ext4).mount("/mnt/data"))
//!     .run(Path::new("target/debug/deps/overlay2-0123456789abcdef"), &["--nocapture"])?;
//! assert_eq!(report.ended(), &Ended::Exited(0), "{report}");
//! # Ok(())
//! # }
//! ```
//!
//! # What the guest looks like
//!
//! - Its root is the host's root directory, read-only, through hostfs. A path
//!   means the same on both sides. hostfs has no extended attributes and no
//!   device nodes: a storage driver's root belongs on tmpfs or on a [`Disk`].
//! - /tmp, /run, /mnt and /dev/shm are empty tmpfs. What the host keeps there
//!   is hidden, except for directories named by [`Machine::share`] and those
//!   that the program itself lives in.
//! - One CPU, a loopback interface that is up, /dev from devtmpfs, cgroup v2
//!   on /sys/fs/cgroup with every controller passed on to child groups.
//! - The program runs as root, whoever started the machine. Its environment is
//!   what [`Machine::env`] adds to a small fixed one (`guest` lists it).
//! - [`OUTPUT_ENV`] names a directory that is writable on both sides.
//!
//! # What is promised about the end
//!
//! No process of the machine outlives the call, nor the caller: a supervisor
//! kills all of them at the deadline and when its parent goes away, however
//! that happens.

mod disk;
mod error;
mod guest;
mod host;
mod job;
mod machine;
mod not_run;
mod report;
mod size;
mod suite;
mod supervise;

pub use crate::disk::{Disk, FileSystem};
pub use crate::error::{Error, Prerequisite};
pub use crate::guest::enter as guest_main;
pub use crate::job::{OUTPUT_ENV, VM_ENV};
pub use crate::machine::Machine;
pub use crate::not_run::{NOT_RUN_ENV, not_run, pass_not_run_on};
pub use crate::report::{Ended, Report};
pub use crate::size::Size;
pub use crate::suite::{SuiteReport, TestResult};
pub use crate::supervise::main as supervise_main;
