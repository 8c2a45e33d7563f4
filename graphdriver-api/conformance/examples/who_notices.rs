//! Prints, for each mistake that the model can be told to make, every case
//! that notices it. Takes minutes and the right to mount; `tests/faults.rs`
//! has the short answer.

use std::collections::BTreeSet;
use std::io::{self, Write};

use graphdriver_conformance::model::{Fault, ModelFactory};
use graphdriver_conformance::suite::{Host, Runner, Stop, Subject, all};

fn main() -> Result<(), String> {
    let healthy = failures(ModelFactory::new())?;
    for fault in Fault::ALL {
        let found = failures(ModelFactory::with_fault(*fault))?;
        let noticed: Vec<_> = found.difference(&healthy).copied().collect();
        writeln!(io::stdout(), "{fault:?}: {}", noticed.join(", ")).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn failures(model: ModelFactory) -> Result<BTreeSet<&'static str>, String> {
    let host = Host::set_up().map_err(|(Stop::Failed(why) | Stop::NotRun(why))| why)?;
    let runner = Runner::new(Subject::new(model).in_memory(), host, &all());
    Ok(runner.report().failures().collect())
}
