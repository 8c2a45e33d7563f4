//! The suite on vfs.

use std::process::ExitCode;

use graphdriver_conformance::suite::{Subject, main as suite};
use sapwood_driver_vfs::VfsFactory;

fn main() -> ExitCode {
    suite(Subject::new(VfsFactory), include_str!("../conformance.toml"))
}
