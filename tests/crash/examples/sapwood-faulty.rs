//! The command `sapwood`, with something that goes wrong at a chosen mutation.
//!
//! `SAPWOOD_FAULT` says at which one and what (`17:kill`); see
//! `sapwood_crash::Fault`. Every mutation's name is appended to the file that
//! `SAPWOOD_FAULT_TRACE` names. An example and no binary, because only
//! examples and tests are built with what tests need.

use std::fs::{self, File};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpid, kill_process};

/// What the environment asks for.
struct Plan {
    at: usize,
    action: String,
    trace: Option<Mutex<File>>,
}

static PLAN: OnceLock<Plan> = OnceLock::new();
static PASSED: AtomicUsize = AtomicUsize::new(0);

fn main() -> ExitCode {
    match plan() {
        Ok(Some(plan)) => {
            PLAN.get_or_init(|| plan);
            sapwood_kit::fault::hook(pass);
            sapwood_engine::fault::hook(pass);
        }
        Ok(None) => {}
        Err(_) => return ExitCode::from(99),
    }
    sapwood_cli::main()
}

/// A container's monitor has no environment, and so no plan.
fn plan() -> io::Result<Option<Plan>> {
    let Ok(text) = std::env::var("SAPWOOD_FAULT") else { return Ok(None) };
    let (at, action) = text.split_once(':').ok_or(io::ErrorKind::InvalidInput)?;
    let trace = match std::env::var_os("SAPWOOD_FAULT_TRACE") {
        Some(path) => Some(Mutex::new(File::options().append(true).create(true).open(path)?)),
        None => None,
    };
    let at = at.parse().map_err(io::Error::other)?;
    Ok(Some(Plan { at, action: action.to_owned(), trace }))
}

fn pass(name: &'static str) -> io::Result<()> {
    let Some(plan) = PLAN.get() else { return Ok(()) };
    let nth = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(trace) = &plan.trace {
        let mut trace = trace.lock().unwrap_or_else(PoisonError::into_inner);
        trace.write_all(format!("{name}\n").as_bytes())?;
    }
    match (plan.action.as_str(), nth.cmp(&plan.at)) {
        ("kill", std::cmp::Ordering::Equal) => die(),
        ("kill-all", std::cmp::Ordering::Equal) => kill_children().and_then(|()| die()),
        ("eio", std::cmp::Ordering::Equal) => Err(Errno::IO.into()),
        ("enospc", std::cmp::Ordering::Equal) => Err(Errno::NOSPC.into()),
        // A medium that is full, and stays so until something is removed.
        ("full", std::cmp::Ordering::Equal | std::cmp::Ordering::Greater) if grows(name) => {
            Err(Errno::NOSPC.into())
        }
        _ => Ok(()),
    }
}

/// Whether a mutation of that name takes room on the medium.
fn grows(name: &str) -> bool {
    !["remove", "unlink", "rmdir", "rename", "delete", "detach", "unmount", "store.commit"]
        .iter()
        .any(|word| name.contains(word))
}

fn die() -> io::Result<()> {
    kill_process(getpid(), Signal::KILL)?;
    Ok(())
}

/// The monitor; the container's processes follow it.
fn kill_children() -> io::Result<()> {
    let own = getpid().as_raw_nonzero().get();
    for process in fs::read_dir("/proc")? {
        let name = process?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended meanwhile.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
        if let (Some(pid), true) = (Pid::from_raw(pid), parent == Some(&own.to_string())) {
            match kill_process(pid, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
    Ok(())
}
