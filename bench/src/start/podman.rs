//! Podman, with data of its own beside ours.

use std::process::Command;

use super::{Setup, command, make_dir};
use crate::Subject;

pub(super) struct Podman(Setup);

impl Podman {
    pub(super) fn new(setup: &Setup) -> Result<Self, String> {
        let new = Self(setup.clone());
        make_dir(&setup.work.join("podman"))?;
        command::run(new.command().args(["load", "-q", "-i"]).arg(&setup.archive))?;
        Ok(new)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("podman");
        command.arg("--root").arg(self.0.work.join("podman"));
        command.arg("--runroot").arg(self.0.work.join("podman-run"));
        command.args(["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"]);
        command.args(["--events-backend", "file", "--runtime", "runc"]);
        command
    }
}

impl Subject for Podman {
    fn name(&self) -> &str {
        "podman"
    }

    fn once(&mut self) -> Result<(), String> {
        // Without CAP_SYS_RESOURCE podman's default limits can't be set.
        let limits = ["--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1024:4096"];
        let run = ["run", "--rm", "--network", "none"];
        command::run(self.command().args(run).args(limits).args([&self.0.image, "true"]))
    }
}
