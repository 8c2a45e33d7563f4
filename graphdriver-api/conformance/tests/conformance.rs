//! The suite on the model: what every driver has to do can be done.

use std::process::ExitCode;

use graphdriver_conformance::model::ModelFactory;
use graphdriver_conformance::suite::{Subject, main as suite};

fn main() -> ExitCode {
    let model = Subject::new(ModelFactory::new()).in_memory();
    suite(model, include_str!("../conformance.toml"))
}
