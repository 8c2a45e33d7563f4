//! The guest's init: process 1 of the virtual machine.
//!
//! A program of our own and not a shell script, because a process costs 30 ms
//! in there, and because an init that doesn't collect orphans, or that dies of
//! a failed command, makes other people's tests fail.

mod child;
mod each;
mod events;
mod mounts;
mod network;
mod terminal;

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::system::{RebootCommand, reboot, sethostname, uname};

use crate::guest::events::Events;
use crate::guest::terminal::Terminal;
use crate::job::{Event, JOB_FILE, Job, Mode, Modules, RUN_MOUNT, VM_ENV};
use crate::report::Ended;

/// A failure in words, for one line of the host's report. There's no caller that would tell
/// kinds of it apart: the machine is of no use.
type Step<T> = Result<T, String>;

/// For `map_err`: says what was being done.
fn during<E: Display>(what: impl Display) -> impl FnOnce(E) -> String {
    move |error| format!("{what}: {error}")
}

/// Prepares the machine, does the job that lies in the host's directory `run_directory`, powers
/// the machine off. Returns only if that fails, which makes the kernel panic and say so.
#[must_use]
pub fn enter(run_directory: &OsStr) -> u8 {
    let Err(error) = live(run_directory);
    writeln!(io::stderr(), "sapwood-vm: init: {error}").ok();
    1
}

fn live(run_directory: &OsStr) -> Step<std::convert::Infallible> {
    mounts::basic()?;
    mounts::host_directory(run_directory, Path::new(RUN_MOUNT), true)?;
    let mut events = Events::open()?;
    let last = match work(&mut events) {
        Ok(ended) => Event::Finished(ended),
        Err(what) => Event::SetupFailed(what),
    };
    events.write(&last)?;
    rustix::fs::sync();
    reboot(RebootCommand::PowerOff).map_err(during("power off"))?;
    Err("still here after power-off".to_owned())
}

fn work(events: &mut Events) -> Step<Ended> {
    let job = read_job()?;
    let terminal = Terminal::open()?;
    prepare(&job)?;
    let ended = match &job.mode {
        Mode::Once => {
            let mut command = command(&job, &terminal)?;
            command.args(&job.arguments);
            child::run(&mut command, None).map_err(during(job.program.display()))?
        }
        Mode::Each { suite, deadline } => {
            each::run(events, &terminal, &job, suite, *deadline)?;
            Ended::Exited(0)
        }
    };
    terminal.drain()?;
    Ok(ended)
}

fn read_job() -> Step<Job> {
    let path = Path::new(RUN_MOUNT).join(JOB_FILE);
    let text = fs::read(&path).map_err(during(path.display()))?;
    serde_json::from_slice(&text).map_err(during(path.display()))
}

fn prepare(job: &Job) -> Step<()> {
    for share in &job.shares {
        mounts::share(share)?;
    }
    mounts::host_directory(&job.output, Path::new(crate::job::OUTPUT_MOUNT), true)?;
    load(&job.modules)?;
    for disk in &job.disks {
        mounts::disk(disk)?;
    }
    mounts::pass_controllers_on()?;
    sethostname(job.hostname.as_bytes()).map_err(during("set the host name"))?;
    network::loopback_up().map_err(during("bring the loopback interface up"))
}

/// Makes the kernel's own requests for modules work (a file system or quota format at mount, a
/// protocol at socket), then loads what was asked for: one modprobe for all, which resolves
/// dependencies and aliases as on any Debian machine.
fn load(modules: &Modules) -> Step<()> {
    let script = Path::new(RUN_MOUNT).join(&modules.modprobe);
    let path = "/proc/sys/kernel/modprobe";
    fs::write(path, script.as_os_str().as_bytes()).map_err(during(path))?;
    if modules.names.is_empty() {
        return Ok(());
    }
    let mut modprobe = Command::new(script);
    modprobe.arg("-a").args(&modules.names);
    let what = || format!("load kernel modules {}", modules.names.join(", "));
    let output = modprobe.output().map_err(during(what()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", what(), String::from_utf8_lossy(&output.stderr).trim()))
}

/// The program, still without arguments, with the guest's environment and terminal.
fn command(job: &Job, terminal: &Terminal) -> Step<Command> {
    let mut command = Command::new(&job.program);
    command
        .env_clear()
        .env(VM_ENV, OsString::from(uname().release().to_string_lossy().as_ref()))
        .envs(job.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&job.directory)
        .stdin(Stdio::null())
        .stdout(terminal.stdout()?)
        .stderr(terminal.stderr()?);
    Ok(command)
}
