//! Random histories on vfs.

use graphdriver_api::DriverOptions;
use graphdriver_conformance::history::Bench;
use sapwood_driver_vfs::VfsFactory;

#[test]
fn histories() {
    let options = DriverOptions::default();
    let cases = std::env::var("SAPWOOD_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    let stats =
        Bench::new(&VfsFactory, &options, None).check(cases).unwrap_or_else(|e| panic!("{e}"));
    print!("{stats}");
}
