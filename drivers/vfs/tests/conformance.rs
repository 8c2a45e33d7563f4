//! The suite on vfs.

use std::process::ExitCode;

use graphdriver_conformance::suite::{Subject, main as suite};
use sapwood_driver_vfs::VfsFactory;
use sapwood_sys::mapped_write;

fn main() -> ExitCode {
    let vfs = Subject::new(VfsFactory).with_map_write(mapped_write::write);
    suite(vfs, include_str!("../conformance.toml"))
}
