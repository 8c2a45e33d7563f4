//! Systems that load images and run containers, each with its data in a folder
//! of its own.

pub(crate) mod command;
mod docker;
mod podman;
mod sapwood;

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) use sapwood::command_on;

/// Where everything is.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The `sapwood` binary.
    pub sapwood: PathBuf,
    /// A docker-archive.
    pub archive: PathBuf,
    /// The name of the archive's image.
    pub image: String,
    /// A folder for everybody's data; on the file system to be measured.
    pub work: PathBuf,
}

/// A system that knows `docker`'s words. What it has started ends with it.
pub trait System {
    /// Its name in tables.
    fn name(&self) -> String;

    /// The start of each of its command lines.
    fn command(&self) -> Command;

    /// What `run` needs besides on a machine like those that builds run on.
    fn run_flags(&self) -> &[&str] {
        &[]
    }
}

/// A system, or the name of one that this machine can't run, and why.
pub type Candidate = Result<Box<dyn System>, (String, String)>;

/// Sapwood on each driver of `drivers`.
#[must_use]
pub fn ours(setup: &Setup, drivers: &[String]) -> Vec<Candidate> {
    let made = drivers
        .iter()
        .map(|driver| boxed(format!("sapwood {driver}"), sapwood::Sapwood::new(setup, driver)));
    made.collect()
}

/// podman and docker.
#[must_use]
pub fn rivals(setup: &Setup) -> Vec<Candidate> {
    vec![
        boxed("podman".into(), podman::Podman::new(setup)),
        boxed("docker".into(), docker::Docker::new(setup)),
    ]
}

fn boxed<S: System + 'static>(name: String, made: Result<S, String>) -> Candidate {
    made.map(|s| Box::new(s) as Box<dyn System>).map_err(|why| (name, why))
}

/// Loads the archive.
pub(crate) fn load(system: &dyn System, setup: &Setup) -> Result<(), String> {
    command::run(system.command().args(["load", "-q", "-i"]).arg(&setup.archive))
}

pub(crate) fn make_dir(path: &Path) -> Result<(), String> {
    std::fs::create_dir_all(path).map_err(|e| format!("can't make {}: {e}", path.display()))
}
