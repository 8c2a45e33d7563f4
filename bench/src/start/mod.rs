//! How long it takes to start a container, run `true` in it, and clean up.

mod runc;

use crate::Subject;
use crate::subject::Candidate;
use crate::system::{self, Setup, System, command};

/// Everybody, set up and ready: Sapwood on each driver of `drivers`, runc on
/// the bundle that Sapwood generates, podman, docker.
#[must_use]
pub fn candidates(setup: &Setup, drivers: &[String]) -> Vec<Candidate> {
    let run = |system: system::Candidate| {
        let system = system?;
        let name = system.name();
        Run::new(system, setup)
            .map(|run| Box::new(run) as Box<dyn Subject>)
            .map_err(|why| (name, why))
    };
    let mut all: Vec<Candidate> = system::ours(setup, drivers).into_iter().map(run).collect();
    // It takes its bundle from Sapwood, which has loaded the image by now.
    all.push(match runc::Runc::new(setup) {
        Ok(runc) => Ok(Box::new(runc)),
        Err(why) => Err(("runc".into(), why)),
    });
    all.extend(system::rivals(setup).into_iter().map(run));
    all
}

/// `run --rm --network none IMAGE true`.
struct Run {
    name: String,
    system: Box<dyn System>,
    image: String,
}

impl Run {
    fn new(system: Box<dyn System>, setup: &Setup) -> Result<Self, String> {
        system::load(system.as_ref(), setup)?;
        Ok(Self { name: system.name(), system, image: setup.image.clone() })
    }
}

impl Subject for Run {
    fn name(&self) -> &str {
        &self.name
    }

    fn once(&mut self) -> Result<(), String> {
        let mut run = self.system.command();
        run.args(["run", "--rm", "--network", "none"]).args(self.system.run_flags());
        command::run(run.args([&self.image, "true"]))
    }
}
