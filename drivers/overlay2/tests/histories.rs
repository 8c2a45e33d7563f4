//! Random histories: whatever is done in whatever order, trees are the model's.
//!
//! `SAPWOOD_HISTORIES` and `SAPWOOD_HISTORY_SEED` say how many and which.

use graphdriver_api::DriverOptions;
use graphdriver_conformance::history::Bench;
use sapwood_driver_overlay2::Overlay2Factory;

#[test]
fn trees_are_the_models() {
    let options = DriverOptions::default();
    let map_write = Some(sapwood_sys::mapped_write::write as _);
    let stats = Bench::new(&Overlay2Factory, &options, map_write)
        .check(100)
        .unwrap_or_else(|e| panic!("{e}"));
    print!("{stats}");
}
