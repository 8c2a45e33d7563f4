//! What to run and in which machine: the requests a caller can make.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::Disk;
use crate::error::Error;
use crate::host;
use crate::job::Mode;
use crate::report::Report;
use crate::size::Size;
use crate::suite::SuiteReport;

/// A virtual machine that is still to be started. Each `run` boots a new one.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) kernel: PathBuf,
    pub(crate) module_tree: PathBuf,
    pub(crate) helper: Option<PathBuf>,
    pub(crate) memory: Size,
    pub(crate) hostname: String,
    pub(crate) modules: Vec<String>,
    pub(crate) disks: Vec<Disk>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) shares: Vec<PathBuf>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) output: Option<PathBuf>,
    pub(crate) deadline: Duration,
    pub(crate) test_deadline: Duration,
    pub(crate) echo: bool,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// Debian's kernel, 1 GiB of memory, no disks, no modules, five minutes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            kernel: "linux.uml".into(),
            module_tree: "/usr/lib/uml/modules".into(),
            helper: None,
            memory: Size::mib(1024),
            hostname: "sapwood-vm".to_owned(),
            modules: Vec::new(),
            disks: Vec::new(),
            environment: Vec::new(),
            shares: Vec::new(),
            directory: None,
            output: None,
            deadline: Duration::from_secs(300),
            test_deadline: Duration::from_secs(60),
            echo: false,
        }
    }

    /// Boots another User-mode Linux kernel: a path, or a name to be found in `PATH`.
    #[must_use]
    pub fn kernel(mut self, kernel: impl Into<PathBuf>) -> Self {
        self.kernel = kernel.into();
        self
    }

    /// The directory that holds that kernel's modules, by release: /usr/lib/uml/modules.
    #[must_use]
    pub fn module_tree(mut self, tree: impl Into<PathBuf>) -> Self {
        self.module_tree = tree.into();
        self
    }

    /// The `sapwood-vm` program that is the guest's init. Without this it's looked for beside
    /// the running program, where a build of the workspace puts it.
    #[must_use]
    pub fn helper(mut self, helper: impl Into<PathBuf>) -> Self {
        self.helper = Some(helper.into());
        self
    }

    /// How much memory the guest has. It takes as much of the host's as the guest touches.
    #[must_use]
    pub fn memory(mut self, memory: Size) -> Self {
        self.memory = memory;
        self
    }

    /// The guest's host name.
    #[must_use]
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.hostname = name.into();
        self
    }

    /// Loads a kernel module and what it depends on, before the program starts: overlay, loop,
    /// fuse, dm-thin-pool, veth, bridge. ext4, xfs and btrfs are built in.
    #[must_use]
    pub fn module(mut self, name: impl Into<String>) -> Self {
        self.modules.push(name.into());
        self
    }

    /// Adds a disk, after those added before.
    #[must_use]
    pub fn disk(mut self, disk: Disk) -> Self {
        self.disks.push(disk);
        self
    }

    /// Sets a variable of the program's environment. The caller's own isn't passed on.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Keeps a directory of the host visible, read-only, even if it lies in /tmp, /run or /mnt.
    #[must_use]
    pub fn share(mut self, directory: impl Into<PathBuf>) -> Self {
        self.shares.push(directory.into());
        self
    }

    /// The program's working directory: the caller's, if none is given.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// The directory of the host that the guest may write to. It must exist. Without this it's
    /// one that lives as long as the report.
    #[must_use]
    pub fn output(mut self, directory: impl Into<PathBuf>) -> Self {
        self.output = Some(directory.into());
        self
    }

    /// When the machine is ended, counted from its start. Booting takes about two seconds.
    #[must_use]
    pub fn deadline(mut self, after: Duration) -> Self {
        self.deadline = after;
        self
    }

    /// When a single test is ended by [`Machine::run_each`].
    #[must_use]
    pub fn test_deadline(mut self, after: Duration) -> Self {
        self.test_deadline = after;
        self
    }

    /// Passes the program's output on to the caller's while it runs, apart from keeping it.
    #[must_use]
    pub fn echo(mut self, on: bool) -> Self {
        self.echo = on;
        self
    }

    /// Whether everything that this machine needs is installed, without starting it. For a test
    /// to report itself as [`not_run`](crate::not_run).
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] names the first thing that isn't there.
    pub fn check(&self) -> Result<(), Error> {
        host::check(self)
    }

    /// Boots, runs `program` with `arguments`, powers off. Takes about two seconds and what the
    /// program needs, and one host process for each of the guest's.
    ///
    /// # Errors
    ///
    /// The machine could not be run; see [`Error`]. That the program failed is no error.
    pub fn run<A: AsRef<OsStr>>(&self, program: &Path, arguments: &[A]) -> Result<Report, Error> {
        host::run(self, program, &owned(arguments), Mode::Once).map(|(report, _)| report)
    }

    /// Boots once and runs every test of a test binary that `filters` (libtest's arguments)
    /// select, each in a process of its own, one after the other. A test that hangs is ended
    /// at its deadline and the next one begins. `suite` is what tests report themselves under.
    ///
    /// # Errors
    ///
    /// The machine could not be run; see [`Error`]. That tests failed is no error.
    pub fn run_each<A: AsRef<OsStr>>(
        &self,
        suite: &str,
        program: &Path,
        filters: &[A],
    ) -> Result<SuiteReport, Error> {
        let mode = Mode::Each { suite: suite.to_owned(), deadline: self.test_deadline };
        let (report, events) = host::run(self, program, &owned(filters), mode)?;
        Ok(SuiteReport::new(events, report))
    }
}

fn owned<A: AsRef<OsStr>>(words: &[A]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}
