//! Sapwood itself, on one driver.

use std::process::Command;

use super::{Setup, command, make_dir};
use crate::Subject;

pub(super) struct Sapwood {
    name: String,
    setup: Setup,
    driver: String,
}

impl Sapwood {
    pub(super) fn new(setup: &Setup, driver: &str) -> Result<Self, String> {
        let new =
            Self { name: format!("sapwood {driver}"), setup: setup.clone(), driver: driver.into() };
        make_dir(&setup.work)?;
        command::run(new.command().args(["load", "-q", "-i"]).arg(&setup.archive))?;
        Ok(new)
    }

    fn command(&self) -> Command {
        command_on(&self.setup, &self.driver)
    }
}

/// The start of every command line: where the data is, and on which driver.
pub(super) fn command_on(setup: &Setup, driver: &str) -> Command {
    let mut command = Command::new(&setup.sapwood);
    command.arg("--root").arg(setup.work.join("sapwood"));
    command.arg("--runroot").arg(setup.work.join("sapwood-run"));
    command.args(["--storage-driver", driver]);
    command
}

impl Subject for Sapwood {
    fn name(&self) -> &str {
        &self.name
    }

    fn once(&mut self) -> Result<(), String> {
        let run = ["run", "--rm", "--network", "none", &self.setup.image, "true"];
        command::run(self.command().args(run))
    }
}
