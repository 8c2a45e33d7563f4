//! How long it takes until an image is loaded and on the disk.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::syncfs;

use crate::Subject;
use crate::subject::Candidate;
use crate::system::{self, Setup, System, command};

/// Everybody, set up and ready: Sapwood on each driver of `drivers`, podman,
/// docker.
#[must_use]
pub fn candidates(setup: &Setup, drivers: &[String]) -> Vec<Candidate> {
    let load = |system: system::Candidate| {
        system.map(|system| Box::new(Load::new(system, setup)) as Box<dyn Subject>)
    };
    let all = system::ours(setup, drivers).into_iter().chain(system::rivals(setup));
    all.map(load).collect()
}

/// `load -i ARCHIVE`, and until the file system has written all of it; undone
/// by `rmi`.
struct Load {
    name: String,
    system: Box<dyn System>,
    archive: PathBuf,
    image: String,
    work: PathBuf,
}

impl Load {
    fn new(system: Box<dyn System>, setup: &Setup) -> Self {
        let Setup { archive, image, work, .. } = setup.clone();
        Self { name: system.name(), system, archive, image, work }
    }
}

impl Subject for Load {
    fn name(&self) -> &str {
        &self.name
    }

    fn once(&mut self) -> Result<(), String> {
        command::run(self.system.command().args(["load", "-q", "-i"]).arg(&self.archive))?;
        flush(&self.work)
    }

    /// What removing leaves to be written isn't the next one's to wait for.
    fn undo(&mut self) -> Result<(), String> {
        command::run(self.system.command().args(["rmi", "-f", &self.image]))?;
        flush(&self.work)
    }
}

/// As `sync -f`.
fn flush(work: &Path) -> Result<(), String> {
    let dir = File::open(work).map_err(|e| format!("{}: {e}", work.display()))?;
    syncfs(&dir).map_err(|e| format!("can't flush {}: {e}", work.display()))
}
