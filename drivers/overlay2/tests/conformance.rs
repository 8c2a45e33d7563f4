//! The suite on overlay2.

use std::process::ExitCode;

use graphdriver_conformance::suite::{Subject, main as suite};
use sapwood_driver_overlay2::Overlay2Factory;
use sapwood_sys::mapped_write;

fn main() -> ExitCode {
    let overlay2 = Subject::new(Overlay2Factory).with_map_write(mapped_write::write);
    suite(overlay2, include_str!("../conformance.toml"))
}
