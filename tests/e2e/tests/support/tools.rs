//! Other engines' programs, on folders of their own.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Reports this test as not run.
pub fn not_run(reason: &str) {
    sapwood_vm::not_run(reason).unwrap();
}

/// What a tool prints; `None`, told as not run, where it isn't installed.
#[track_caller]
pub fn tool(name: &str, args: &[&str]) -> Option<String> {
    let mut command = Command::new(name);
    command.args(args).stdin(Stdio::null());
    match command.output() {
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{name} {args:?}: {said}");
            Some(String::from_utf8(done.stdout).unwrap())
        }
        Err(e) => {
            not_run(&format!("{name}: {e}: apt-get install {}", package(name)));
            None
        }
    }
}

fn package(program: &str) -> &str {
    if program == "dockerd" { "docker.io" } else { program }
}

/// As [`tool`], in a mount namespace of its own: what it leaves mounted goes
/// with it.
#[track_caller]
pub fn fenced(name: &str, args: &[&str]) -> Option<String> {
    tool(name, &["--version"])?;
    tool("unshare", &[&["--mount", "--", name], args].concat())
}

/// A daemon on a data root and in a mount namespace of its own, that ends with
/// the value.
pub struct Docker {
    folder: PathBuf,
    daemon: Child,
}

impl Docker {
    /// With everything in `folder`; the data root is `docker` in it. `None`,
    /// told as not run, where there is no daemon that runs.
    pub fn start(folder: &Path, driver: &str) -> Option<Self> {
        tool("dockerd", &["--version"])?;
        let at = |name: &str| folder.join(name);
        let log = File::create(at("docker.log")).unwrap();
        let daemon = Command::new("unshare")
            .args([
                "--mount",
                "--",
                "dockerd",
                "--storage-driver",
                driver,
                "--iptables=false",
                "--ip6tables=false",
            ])
            .args(["--bridge=none", "--host", &socket(folder)])
            .arg("--data-root")
            .arg(at("docker"))
            .arg("--exec-root")
            .arg(at("docker-run"))
            .arg("--pidfile")
            .arg(at("docker.pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { folder: folder.to_owned(), daemon }.ready()
    }

    fn ready(mut self) -> Option<Self> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.command(&["version"]).output().unwrap().status.success() {
            let ended = self.daemon.try_wait().unwrap();
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.join("docker.log")).unwrap();
                not_run(&format!("dockerd doesn't run here: {:?}", log.lines().last()));
                return None;
            }
        }
        Some(self)
    }

    /// `docker ARGS`, not started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["-H", &socket(&self.folder)]).args(args).stdin(Stdio::null());
        command.env("DOCKER_BUILDKIT", "0");
        command
    }

    /// What `docker ARGS` prints.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> String {
        let done = self.command(args).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "docker {args:?}: {said}");
        String::from_utf8(done.stdout).unwrap()
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.daemon.id().cast_signed()).unwrap();
        if kill_process(pid, Signal::TERM).is_ok() {
            self.daemon.wait().unwrap();
        }
    }
}

fn socket(folder: &Path) -> String {
    format!("unix://{}", folder.join("docker.sock").display())
}
