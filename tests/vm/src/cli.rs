//! The command line of `sapwood-vm`.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use sapwood_vm::{Disk, Error, Machine, NOT_RUN_ENV, Report, Size, SuiteReport, pass_not_run_on};

/// Runs a program that was built here in a virtual machine (User-mode Linux).
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Runs a program once and ends with its exit status. Also fits as a cargo runner:
    /// CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="sapwood-vm run --".
    Run {
        #[command(flatten)]
        machine: Options,
        /// The program.
        program: PathBuf,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Runs every test of a test binary, each in its own process, in one machine.
    Each {
        #[command(flatten)]
        machine: Options,
        /// What the tests are reported under.
        #[arg(long, value_name = "NAME")]
        suite: Option<String>,
        /// Ends a single test after this many seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        test_deadline: u64,
        /// The test binary.
        program: PathBuf,
        /// Filters, as `cargo test -- FILTERS` takes them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filters: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
struct Options {
    /// The guest's memory.
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    mem: Size,
    /// A disk, as in 512M:ext4:/mnt/data (may be repeated). In place of the size, an
    /// image's absolute path.
    #[arg(long, value_name = "SIZE[:FS[:MOUNTPOINT[:OPTIONS]]]")]
    disk: Vec<Disk>,
    /// A kernel module to load, as in overlay (may be repeated).
    #[arg(long, value_name = "NAME")]
    module: Vec<String>,
    /// A variable of the program's environment; without a value, the caller's (may be repeated).
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// A directory of the host that stays visible in /tmp, /run or /mnt (may be repeated).
    #[arg(long, value_name = "DIR")]
    share: Vec<PathBuf>,
    /// A directory of the host that the guest may write to, as $SAPWOOD_VM_OUTPUT.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// The working directory.
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// The guest's host name.
    #[arg(long, value_name = "NAME", default_value = "sapwood-vm")]
    hostname: String,
    /// Another User-mode Linux kernel.
    #[arg(long, value_name = "PATH", env = "SAPWOOD_VM_KERNEL")]
    kernel: Option<PathBuf>,
    /// Ends the machine after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    deadline: u64,
}

/// Parses the command line, does what it says, returns the exit status.
pub(crate) fn main() -> u8 {
    let done = match Cli::parse().what {
        What::Run { machine, program, arguments } => machine
            .build()
            .and_then(|machine| machine.echo(true).run(&program, &arguments))
            .and_then(|report| finish(&report)),
        What::Each { machine, suite, test_deadline, program, filters } => {
            let suite = suite.unwrap_or_else(|| program.display().to_string());
            machine
                .build()
                .map(|machine| machine.test_deadline(Duration::from_secs(test_deadline)))
                .and_then(|machine| machine.run_each(&suite, &program, &filters))
                .and_then(|report| finish_each(&report))
        }
    };
    done.unwrap_or_else(|error| {
        say(&format!("sapwood-vm: {error}\n"));
        125
    })
}

impl Options {
    fn build(self) -> Result<Machine, Error> {
        let mut machine = Machine::new()
            .memory(self.mem)
            .hostname(self.hostname)
            .deadline(Duration::from_secs(self.deadline));
        machine = self.disk.into_iter().fold(machine, Machine::disk);
        machine = self.module.into_iter().fold(machine, Machine::module);
        machine = self.share.into_iter().fold(machine, Machine::share);
        for variable in self.env {
            machine = match variable.split_once('=') {
                Some((name, value)) => machine.env(name, value),
                None => match env::var_os(&variable) {
                    Some(value) => machine.env(variable, value),
                    None => machine,
                },
            };
        }
        if let Some(output) = self.output {
            machine = machine.output(output);
        }
        if let Some(directory) = self.workdir {
            machine = machine.directory(directory);
        }
        Ok(match self.kernel {
            Some(kernel) => machine.kernel(kernel),
            None => machine,
        })
    }
}

fn finish(report: &Report) -> Result<u8, Error> {
    report_not_run(report)?;
    if !matches!(report.ended(), sapwood_vm::Ended::Exited(_)) {
        say(&format!("sapwood-vm: {}\n", report.ended()));
    }
    Ok(report.ended().exit_status())
}

fn finish_each(report: &SuiteReport) -> Result<u8, Error> {
    report_not_run(report.machine())?;
    say(&report.to_string());
    Ok(u8::from(!report.is_success()))
}

/// The guest's reports of what could not run go where the caller's would.
fn report_not_run(report: &Report) -> Result<(), Error> {
    pass_not_run_on(report.not_run()).map_err(|source| {
        let path = env::var_os(NOT_RUN_ENV).unwrap_or_default().into();
        Error::Io { action: "write", path, source }
    })
}

/// For people. With standard error gone there's nobody left to tell.
fn say(text: &str) {
    io::stderr().write_all(text.as_bytes()).ok();
}
