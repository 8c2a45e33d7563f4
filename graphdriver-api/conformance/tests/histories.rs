//! Random histories against the model, right and wrong.

use graphdriver_api::DriverOptions;
use graphdriver_conformance::history::Bench;
use graphdriver_conformance::model::ModelFactory;

#[test]
fn the_model_passes() {
    let (factory, options) = (ModelFactory::new(), DriverOptions::default());
    let stats = Bench::new(&factory, &options, None).check(200).unwrap_or_else(|e| panic!("{e}"));
    print!("{stats}");
}
