//! Podman, with data of its own beside ours.

use std::process::Command;

use super::{Setup, System, command, make_dir};

pub(super) struct Podman(Setup);

impl Podman {
    pub(super) fn new(setup: &Setup) -> Result<Self, String> {
        make_dir(&setup.work.join("podman"))?;
        let new = Self(setup.clone());
        command::run(new.command().arg("info"))?;
        Ok(new)
    }
}

impl System for Podman {
    fn name(&self) -> String {
        "podman".into()
    }

    fn command(&self) -> Command {
        let mut command = Command::new("podman");
        command.arg("--root").arg(self.0.work.join("podman"));
        command.arg("--runroot").arg(self.0.work.join("podman-run"));
        command.args(["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"]);
        command.args(["--events-backend", "file", "--runtime", "runc"]);
        command
    }

    /// Without `CAP_SYS_RESOURCE` podman's default limits can't be set.
    fn run_flags(&self) -> &[&str] {
        &["--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1024:4096"]
    }
}
