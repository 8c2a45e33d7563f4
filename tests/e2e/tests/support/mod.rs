//! A store with an image that runs, and containers on it.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Format, busybox};
use serde_json::Value;

/// Nothing here takes longer; what does, hangs.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The image's name.
pub const IMAGE: &str = "busybox";

/// A store with a busybox image, and the runtime to use.
pub struct Host {
    pub sapwood: Sapwood,
    runtime: Option<&'static str>,
}

/// What a finished command left.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Host {
    /// With the runtime that is built in.
    pub fn new() -> Self {
        Self::on("overlay2")
    }

    pub fn on(driver: &str) -> Self {
        let sapwood = Sapwood::on(driver);
        let archive = sapwood.scratch().join("busybox.tar");
        let image = busybox(IMAGE).unwrap();
        image.write(&archive, Format::Docker, Compression::None).unwrap();
        sapwood.ok(["load", "-q", "-i", archive.to_str().unwrap()]);
        Self { sapwood, runtime: None }
    }

    /// With another program as runtime.
    pub fn with_runtime(runtime: Option<&'static str>) -> Self {
        Self { runtime, ..Self::new() }
    }

    /// `sapwood run FLAGS`, not started.
    pub fn command(&self, flags: &[&str]) -> Command {
        let mut command = self.sapwood.command();
        command.arg("run").args(flags);
        if let Some(runtime) = self.runtime {
            command.args(["--runtime", runtime]);
        }
        command
    }

    /// Runs `sapwood run --rm FLAGS busybox WORDS` to its end.
    pub fn run(&self, flags: &[&str], words: &[&str]) -> Ran {
        let mut command = self.command(flags);
        command.arg("--rm").arg(IMAGE).args(words);
        finish(command)
    }

    /// What `sh -c SCRIPT` prints in a container that has to succeed.
    #[track_caller]
    pub fn sh(&self, flags: &[&str], script: &str) -> String {
        let ran = self.run(flags, &["sh", "-c", script]);
        assert_eq!(ran.status, 0, "{script}: {ran:?}");
        ran.stdout
    }

    /// The containers, as `ps -a` tells programs.
    pub fn containers(&self) -> Vec<Value> {
        match self.sapwood.json(["ps", "-a", "--format", "json"]) {
            Value::Array(containers) => containers,
            other => panic!("a list, not {other}"),
        }
    }

    /// The container of that name, if it is there.
    pub fn container(&self, name: &str) -> Option<Value> {
        self.containers().into_iter().find(|c| c["name"] == name)
    }

    /// Waits until the container runs and gives its first process's id.
    pub fn wait_for(&self, name: &str) -> u32 {
        eventually(|| {
            let pid = self.container(name)?["pid"].as_u64()?;
            u32::try_from(pid).ok()
        })
    }

    /// A folder of the host for a test's own files.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.sapwood.scratch().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }
}

/// Runs a command to its end, within the deadline.
pub fn finish(command: Command) -> Ran {
    let Output { status, stdout, stderr } =
        assert_cmd::Command::from_std(command).timeout(DEADLINE).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran {
        status: status.code().unwrap_or_else(|| panic!("{status}")),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

/// What `look` finds, as soon as it finds it.
#[track_caller]
pub fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "it never happened");
        std::thread::yield_now();
    }
}

/// Whether the host still has a process of that id that isn't a zombie.
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Control groups of Sapwood's that name this container.
pub fn control_groups(id: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts
        .lines()
        .filter(|line| line.contains(" - cgroup"))
        .filter_map(|line| line.split(' ').nth(4))
        .map(|mount| Path::new(mount).join("sapwood").join(id))
        .filter(|group| group.is_dir())
        .collect()
}

/// A static program from a C source of `fixtures`.
pub fn compiled(folder: &Path, source: &str) -> PathBuf {
    let program = folder.join(source.trim_end_matches(".c"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(source);
    let done = Command::new("cc")
        .args(["-static", "-O1", "-Wall", "-Werror", "-o"])
        .args([&program, &source])
        .output()
        .expect("a C compiler, as Rust needs one too: install gcc and libc6-dev");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    program
}
