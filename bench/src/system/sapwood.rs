//! Sapwood itself, on one driver.

use std::process::Command;

use super::{Setup, System, command, make_dir};

pub(super) struct Sapwood {
    setup: Setup,
    driver: String,
}

impl Sapwood {
    /// Fails where the driver can't be used.
    pub(super) fn new(setup: &Setup, driver: &str) -> Result<Self, String> {
        make_dir(&setup.work)?;
        let new = Self { setup: setup.clone(), driver: driver.into() };
        command::run(new.command().arg("info"))?;
        Ok(new)
    }
}

/// The start of every command line: where the data is, and on which driver.
pub(crate) fn command_on(setup: &Setup, driver: &str) -> Command {
    let mut command = Command::new(&setup.sapwood);
    command.arg("--root").arg(setup.work.join("sapwood"));
    command.arg("--runroot").arg(setup.work.join("sapwood-run"));
    command.args(["--storage-driver", driver]);
    command
}

impl System for Sapwood {
    fn name(&self) -> String {
        format!("sapwood {}", self.driver)
    }

    fn command(&self) -> Command {
        command_on(&self.setup, &self.driver)
    }
}
