//! Random histories against the model: without faults they pass, and those
//! mistakes that show in a series of operations are found.

use graphdriver_api::DriverOptions;
use graphdriver_conformance::history::Bench;
use graphdriver_conformance::model::{Fault, ModelFactory};
use graphdriver_conformance::suite::Host;

/// Mistakes that show in what trees are, or in how nodes live. The others show
/// only in calls that histories don't make, such as wrong ones.
const FOUND: &[Fault] = &[
    Fault::CommitKeepsDraft,
    Fault::CommitIgnoresOnto,
    Fault::RemoveIgnoresChildren,
    Fault::StatForgetsMounts,
    Fault::OpenForgetsDrafts,
    Fault::LayerSharesStorage,
    Fault::MountTwice,
    Fault::ReadOnlyMountWritable,
    Fault::PersistForgetsBusy,
    Fault::BusyAsIo,
    Fault::ApplyTouchesDirectories,
    Fault::ApplyEmptiesDirectories,
    Fault::ApplyCopiesHardLinks,
    Fault::ApplySkipsSpecialFiles,
    Fault::ChangesByBytes,
    Fault::ChangesTrustTimes,
    Fault::ChangesNameTheBuried,
    Fault::DiffDropsWhiteouts,
    Fault::DiffDropsXattrs,
    Fault::DiffCutsTimes,
    Fault::DiffDropsSetuid,
    Fault::DiffSplitsHardLinks,
    Fault::DiffMendsNames,
];

#[test]
fn the_model_passes() {
    let (factory, options) = (ModelFactory::new(), DriverOptions::default());
    let stats = Bench::new(&factory, &options, None).check(250).unwrap_or_else(|e| panic!("{e}"));
    print!("{stats}");
}

#[test]
fn mistakes_are_found() {
    let host = Host::set_up().unwrap_or_else(|why| panic!("this test needs to mount: {why:?}"));
    let options = DriverOptions::default();
    let mut missed = Vec::new();
    for fault in FOUND {
        let room = host.room().unwrap();
        let factory = ModelFactory::with_fault(*fault);
        let bench = Bench::new(&factory, &options, None).unshrunk();
        match bench.run(1, 100, room.path()) {
            Err(failure) => println!("{fault:?}: {}", failure.wrong),
            Ok(_) => missed.push(fault),
        }
    }
    assert!(missed.is_empty(), "in 100 histories each, not found: {missed:?}");
}

#[test]
fn a_failure_is_shrunk_to_what_matters() {
    let host = Host::set_up().unwrap_or_else(|why| panic!("this test needs to mount: {why:?}"));
    let (room, options) = (host.room().unwrap(), DriverOptions::default());
    let factory = ModelFactory::with_fault(Fault::DiffDropsWhiteouts);
    let bench = Bench::new(&factory, &options, None);
    let failure = bench.run(1, 100, room.path()).unwrap_err();
    let lines = failure.history.lines().count();
    assert!(lines <= 8, "{lines} lines:\n{failure}");
    let again = bench.replay(&failure.history, room.path()).unwrap_err();
    assert_eq!(again.history, failure.history);
    let healthy = ModelFactory::new();
    let healthy = Bench::new(&healthy, &options, None).replay(&failure.history, room.path());
    assert!(healthy.is_ok(), "it isn't the fault that it shows: {healthy:?}");
}
