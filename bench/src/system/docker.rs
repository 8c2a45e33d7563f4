//! Docker, with a daemon of its own that ends with the run.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use super::{Setup, System, command, make_dir};

/// How long the daemon may take until it answers.
const START: Duration = Duration::from_secs(30);

pub(super) struct Docker {
    setup: Setup,
    daemon: Child,
}

impl Docker {
    pub(super) fn new(setup: &Setup) -> Result<Self, String> {
        make_dir(&setup.work.join("docker"))?;
        let mut new = Self { setup: setup.clone(), daemon: start(setup)? };
        new.wait_until_it_answers()?;
        Ok(new)
    }

    fn wait_until_it_answers(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        loop {
            let answer = command::run(self.command().arg("version"));
            if answer.is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.daemon.try_wait() {
                return Err(format!("dockerd ended: {status}; see docker.log in the work folder"));
            }
            if Instant::now() > deadline {
                return answer;
            }
        }
    }
}

fn start(setup: &Setup) -> Result<Child, String> {
    let work = &setup.work;
    let log = File::create(work.join("docker.log")).map_err(|e| e.to_string())?;
    let errors = log.try_clone().map_err(|e| e.to_string())?;
    let mut daemon = Command::new("dockerd");
    daemon.args(["--storage-driver", "overlay2", "--iptables=false", "--ip6tables=false"]);
    daemon.args(["--bridge=none", "--default-ulimit", "nofile=1024:4096"]);
    daemon.arg("--data-root").arg(work.join("docker"));
    daemon.arg("--exec-root").arg(work.join("docker-run"));
    daemon.arg("--pidfile").arg(work.join("docker.pid"));
    daemon.arg("--host").arg(format!("unix://{}", work.join("docker.sock").display()));
    daemon.stdin(Stdio::null()).stdout(log).stderr(errors);
    daemon.spawn().map_err(|e| format!("can't start dockerd: {e}"))
}

impl System for Docker {
    fn name(&self) -> String {
        "docker".into()
    }

    fn command(&self) -> Command {
        let mut command = Command::new("docker");
        let socket = self.setup.work.join("docker.sock");
        command.arg("-H").arg(format!("unix://{}", socket.display()));
        command
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // SIGTERM, so that it unmounts what it mounted.
        let pid = rustix::process::Pid::from_raw(self.daemon.id().cast_signed());
        let asked = pid.is_some_and(|p| kill_process(p, Signal::TERM).is_ok());
        if asked {
            drop(self.daemon.wait());
        }
    }
}
