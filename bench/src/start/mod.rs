//! How long it takes to start a container, run `true` in it, and clean up.

mod command;
mod docker;
mod podman;
mod runc;
mod sapwood;

use std::path::{Path, PathBuf};

use crate::Subject;

/// What the subjects need.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The `sapwood` binary.
    pub sapwood: PathBuf,
    /// A docker-archive with a `true` on its path.
    pub archive: PathBuf,
    /// The name by which the archive's image is run.
    pub image: String,
    /// A folder for everybody's data; on the file system to be measured.
    pub work: PathBuf,
}

/// A subject, or the name of one that this machine can't run, and why.
pub type Candidate = Result<Box<dyn Subject>, (String, String)>;

/// Everybody, set up and ready: Sapwood on each driver of `drivers`, runc on
/// the bundle that Sapwood generates, podman, docker.
#[must_use]
pub fn candidates(setup: &Setup, drivers: &[String]) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = Vec::new();
    for driver in drivers {
        let name = format!("sapwood {driver}");
        all.push(boxed(name, sapwood::Sapwood::new(setup, driver)));
    }
    all.push(boxed("runc".into(), runc::Runc::new(setup)));
    all.push(boxed("podman".into(), podman::Podman::new(setup)));
    all.push(boxed("docker".into(), docker::Docker::new(setup)));
    all
}

fn boxed<S: Subject + 'static>(name: String, made: Result<S, String>) -> Candidate {
    made.map(|s| Box::new(s) as Box<dyn Subject>).map_err(|why| (name, why))
}

fn make_dir(path: &Path) -> Result<(), String> {
    std::fs::create_dir_all(path).map_err(|e| format!("can't make {}: {e}", path.display()))
}
