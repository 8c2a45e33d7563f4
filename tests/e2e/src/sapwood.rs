//! The binary `sapwood` on a store of its own, which goes with the value.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Where tests keep their stores, if not in the system's folder for temporary
/// files: a folder whose file system has what the drivers need.
const BACKING: &str = "SAPWOOD_TEST_BACKING";

/// The binary, on a fresh store and one driver.
#[derive(Debug)]
pub struct Sapwood {
    dir: TempDir,
    driver: String,
}

impl Sapwood {
    /// A fresh store for `driver`.
    ///
    /// # Panics
    /// Without a folder to put it in.
    #[must_use]
    pub fn on(driver: &str) -> Self {
        match std::env::var_os(BACKING) {
            Some(backing) => Self::on_at(driver, Path::new(&backing)),
            None => Self::on_at(driver, &std::env::temp_dir()),
        }
    }

    /// A fresh store for `driver` on the file system of the folder `backing`.
    ///
    /// # Panics
    /// As [`on`](Self::on).
    #[must_use]
    #[allow(clippy::expect_used)] // Part of a test.
    pub fn on_at(driver: &str, backing: &Path) -> Self {
        let mut builder = tempfile::Builder::new();
        let dir = builder.prefix("sapwood-e2e-").tempdir_in(backing);
        Self { dir: dir.expect("a folder for the store"), driver: driver.into() }
    }

    /// The same store through another driver.
    #[must_use]
    pub fn command_on(&self, driver: &str) -> Command {
        let mut command = Command::new(binary());
        command.arg("--root").arg(self.root());
        command.arg("--runroot").arg(self.dir.path().join("run"));
        command.args(["--storage-driver", driver]).stdin(Stdio::null());
        command.env_remove("SAPWOOD_STORAGE_DRIVER").env_remove("STORAGE_DRIVER");
        command
    }

    /// A command line up to the command's name.
    #[must_use]
    pub fn command(&self) -> Command {
        self.command_on(&self.driver)
    }

    /// The store's folder; not made before the first command.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// A folder for whatever else the test needs.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// Runs `sapwood ARGS` to its end.
    ///
    /// # Panics
    /// If it can't be started.
    #[allow(clippy::expect_used)] // Part of a test.
    pub fn output<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        self.command().args(args).output().expect("sapwood starts")
    }

    /// What `sapwood ARGS` prints.
    ///
    /// # Panics
    /// If it fails: with what it said.
    #[track_caller]
    #[allow(clippy::expect_used)] // Part of a test.
    pub fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let done = self.output(args);
        assert!(
            done.status.success(),
            "{}: {}",
            done.status,
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).expect("text")
    }

    /// What `sapwood ARGS` prints, as JSON.
    ///
    /// # Panics
    /// As [`ok`](Self::ok); and if it isn't JSON.
    #[track_caller]
    #[allow(clippy::expect_used)] // Part of a test.
    pub fn json<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Value {
        serde_json::from_str(&self.ok(args)).expect("JSON")
    }

    /// The exit status and the one line on standard error of a `sapwood ARGS`
    /// that has to fail.
    ///
    /// # Panics
    /// If it succeeds, was killed, or says more or less than one line.
    #[track_caller]
    #[allow(clippy::expect_used)] // Part of a test.
    pub fn fails<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> (i32, String) {
        let done = self.output(args);
        let said = String::from_utf8(done.stderr).expect("text");
        let status = done.status.code().expect("an exit status");
        assert_ne!(status, 0, "it should have failed");
        assert_eq!(said.lines().count(), 1, "one line, not: {said}");
        (status, said.trim_end().to_owned())
    }
}

/// The binary under test: `SAPWOOD_BIN`, or the one that was built beside this
/// test.
///
/// # Panics
/// If there is none: with the command that builds it.
#[must_use]
#[allow(clippy::expect_used)] // Part of a test.
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("SAPWOOD_BIN") {
        return named.into();
    }
    let test = std::env::current_exe().expect("this test's own path");
    let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    let binary = profile.join("sapwood");
    assert!(binary.is_file(), "{} isn't there: run `cargo build -p sapwood`", binary.display());
    binary
}
