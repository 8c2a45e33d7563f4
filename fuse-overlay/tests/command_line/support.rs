//! Programs, places to mount, and waiting.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// The program.
pub(crate) fn fuse_overlay() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fuse-overlay"))
}

/// The example with the program's process. Cargo builds it with the tests.
pub(crate) fn empty() -> Command {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples/fuse-overlay-empty");
    assert!(
        program.try_exists().unwrap(),
        "{} isn't there: run `cargo build -p sapwood-fuse-overlay --examples`",
        program.display()
    );
    Command::new(program)
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Whether FUSE can be mounted here; if not, that is reported as not run.
pub(crate) fn can_mount() -> bool {
    let missing = if !rustix::process::geteuid().is_root() {
        "needs root: run it with sudo"
    } else if !Path::new("/dev/fuse").try_exists().unwrap() {
        "/dev/fuse is missing: modprobe fuse"
    } else {
        return true;
    };
    not_run(missing);
    false
}

/// Whether fusermount3 is here; if not, that is reported as not run.
pub(crate) fn has_fusermount3() -> bool {
    let found = Command::new("fusermount3").arg("--version").output().is_ok();
    if !found {
        not_run("fusermount3 is missing: apt-get install fuse3");
    }
    found
}

/// Says that this test didn't run (docs/testing.md).
pub(crate) fn not_run(reason: &str) {
    let name = |variable| std::env::var(variable).unwrap_or_else(|_| "?".to_owned());
    let (suite, test) = (name("NEXTEST_BINARY_ID"), name("NEXTEST_TEST_NAME"));
    let line = format!("NOT RUN: {suite}::{test}: {reason}\n");
    match std::env::var_os("SAPWOOD_NOT_RUN") {
        Some(file) => {
            let mut file = std::fs::File::options().append(true).create(true).open(file).unwrap();
            file.write_all(line.as_bytes()).unwrap();
        }
        None => std::io::stderr().write_all(line.as_bytes()).unwrap(),
    }
}

/// A directory with a place to mount in it, which is unmounted in the end.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) mnt: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mnt = folder.path().join("mnt");
        std::fs::create_dir(&mnt).unwrap();
        Self { folder, mnt }
    }

    /// The number of the process that serves the mount; none without a mount.
    pub(crate) fn server(&self) -> Option<i32> {
        let [root, parent] = [&self.mnt, self.folder.path()].map(|p| p.metadata().unwrap());
        (root.dev() != parent.dev()).then(|| i32::try_from(root.size()).unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Fails where a test has unmounted already.
        let gone = rustix::mount::unmount(&self.mnt, rustix::mount::UnmountFlags::DETACH);
        assert!(matches!(gone, Ok(()) | Err(rustix::io::Errno::INVAL)), "{gone:?}");
    }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "in vain: {what}");
        std::thread::yield_now();
    }
}

/// Whether a process is there and hasn't ended.
pub(crate) fn lives(pid: i32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'),
        Err(_) => false,
    }
}

pub(crate) fn kill(pid: i32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Starts a program whose standard error can be read.
pub(crate) fn spawn(command: &mut Command) -> Child {
    command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap()
}

/// Waits for a program, and gives its status; none if a signal ended it.
pub(crate) fn end(program: &mut Child) -> Option<i32> {
    until("the program ends", || program.try_wait().unwrap().is_some());
    program.wait().unwrap().code()
}

/// What a program has written on standard error, once nobody holds that any more.
pub(crate) fn said(program: &mut Child) -> String {
    let mut said = String::new();
    program.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said
}
