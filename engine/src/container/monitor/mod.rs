//! A container's monitor: a process of its own that makes the container, waits
//! for it, and cleans up, however the engine fares.
//!
//! It is this same program, started anew with the hidden command `monitor` and
//! a socket as standard input. It is single-threaded, as libcontainer needs
//! it, and a subreaper, so that every process of the container ends as its
//! child. If the engine dies, the socket closes, and the monitor kills the
//! container; if the monitor dies, the kernel kills the container's first
//! process, and with it all others.

mod protocol;
mod reaper;

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::SigSet;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Signal, set_child_subreaper};

use self::reaper::Reaper;
use super::cgroup::{self, Layout};
use super::error::{Error, Result};
use super::runtime::{BuiltIn, External, Failure, Runtime, Streams};

pub use protocol::{
    Ending, Fault, Job, Order, ProcessId, Report, pair, receive, receive_raw, send,
};

/// The hidden command's whole life. Standard input is the socket.
///
/// # Errors
/// The socket isn't one, or what came through it makes no sense. Failures of
/// the container are reported through the socket instead.
pub fn main() -> Result<()> {
    let stdin = io::stdin();
    let socket = stdin.as_fd();
    if let Err(e) = Layout::probe().and_then(|layout| {
        cgroup::hasten(&layout).map_err(|e| Error::io("can't hasten the move", e))
    }) {
        tracing::debug!("{e}");
    }
    let Some((job, fds)) = receive::<Job>(socket)? else {
        return Ok(());
    };
    let (alive, mounts, streams) = split(fds)?;
    // Where the engine has mounted the container's tree.
    setns(mounts, CloneFlags::CLONE_NEWNS)
        .map_err(|e| Error::io("can't enter the engine's mount namespace", e))?;
    // The engine blocks the signals that it forwards, and everything inherits
    // a mask: the container's processes couldn't be terminated.
    SigSet::empty().thread_set_mask().map_err(|e| Error::io("can't unblock signals", e))?;
    set_child_subreaper(rustix::process::Pid::from_raw(1))
        .map_err(|e| Error::io("can't become a subreaper", e))?;
    let mut runtime: Box<dyn Runtime> = match &job.runtime {
        Some(program) => Box::new(External::new(program.clone())),
        None => Box::new(BuiltIn::default()),
    };
    // A failure here ends this process, and with it the container.
    let report = supervise(runtime.as_mut(), &job, streams, socket)
        .unwrap_or_else(|e| Report::Failed { fault: Fault::Runtime, message: e.to_string() });
    // Only when nothing is left may the container count as dead.
    drop(alive);
    tell(socket, &report)
}

/// The lock, the mount namespace, and the streams if there are any.
fn split(fds: Vec<OwnedFd>) -> Result<(OwnedFd, OwnedFd, Option<Streams>)> {
    let mut fds = fds.into_iter();
    match (fds.next(), fds.next(), fds.next(), fds.next(), fds.next()) {
        (Some(alive), Some(mounts), Some(stdin), Some(stdout), Some(stderr)) => {
            Ok((alive, mounts, Some(Streams { stdin, stdout, stderr })))
        }
        (Some(alive), Some(mounts), None, ..) => Ok((alive, mounts, None)),
        _ => Err(Error::invalid("the monitor was given a wrong number of descriptors")),
    }
}

/// Reports to an engine that may be gone: then nobody needs to know.
fn tell(socket: BorrowedFd<'_>, report: &Report) -> Result<()> {
    match send(socket, report, &[]) {
        Err(_) if hung_up(socket)? => Ok(()),
        sent => sent,
    }
}

fn hung_up(socket: BorrowedFd<'_>) -> Result<bool> {
    let mut fds = [PollFd::new(&socket, PollFlags::empty())];
    retry_on_intr(|| poll(&mut fds, Some(&rustix::time::Timespec::default())))
        .map_err(|e| Error::io("can't look at the socket", e))?;
    Ok(fds.iter().any(|fd| fd.revents().contains(PollFlags::HUP)))
}

/// From creation to the last clean-up.
fn supervise(
    runtime: &mut dyn Runtime,
    job: &Job,
    streams: Option<Streams>,
    socket: BorrowedFd<'_>,
) -> Result<Report> {
    let ended = run(runtime, job, streams, socket)?;
    let cleaned = clean_up(runtime, job);
    Ok(match (ended, cleaned) {
        (Ok(ending), Ok(())) => Report::Exited(ending),
        (Ok(ending), Err(e)) => {
            tracing::warn!("container {}: {e}", job.id);
            Report::Exited(ending)
        }
        (Err(failure), cleaned) => {
            if let Err(e) = cleaned {
                tracing::warn!("container {}: {e}", job.id);
            }
            Report::Failed { fault: failure.fault, message: failure.message }
        }
    })
}

/// Creates, starts, and waits.
fn run(
    runtime: &mut dyn Runtime,
    job: &Job,
    streams: Option<Streams>,
    socket: BorrowedFd<'_>,
) -> Result<Result<Ending, Failure>> {
    let pid = match runtime.create(job, streams) {
        Ok(pid) => pid,
        Err(failure) => return Ok(Err(failure)),
    };
    let mut reaper = Reaper::new(pid)?;
    match runtime.start(job) {
        Ok(()) => {}
        Err(failure) => {
            reaper.signal(Signal::KILL)?;
            reaper.wait()?;
            return Ok(Err(failure));
        }
    }
    if let Some(id) = ProcessId::of(pid)? {
        tell(socket, &Report::Started(id))?;
    }
    watch(&mut reaper, socket).map(Ok)
}

/// Waits for the end of the first process, carrying out orders meanwhile.
fn watch(reaper: &mut Reaper, socket: BorrowedFd<'_>) -> Result<Ending> {
    let mut engine = Some(socket);
    loop {
        if let Some(ending) = reaper.collect()? {
            return Ok(ending);
        }
        let (order, child) = wait_for_either(engine, reaper.as_fd())?;
        if child {
            reaper.acknowledge()?;
        }
        if !order {
            continue;
        }
        match receive::<Order>(socket)? {
            Some((Order::Signal(number), _)) => match Signal::from_named_raw(number) {
                Some(signal) => reaper.signal(signal)?,
                None => tracing::warn!("there is no signal {number}"),
            },
            None => {
                engine = None;
                reaper.signal(Signal::KILL)?;
            }
        }
    }
}

fn wait_for_either(
    engine: Option<BorrowedFd<'_>>,
    children: BorrowedFd<'_>,
) -> Result<(bool, bool)> {
    let mut fds = vec![PollFd::new(&children, PollFlags::IN)];
    fds.extend(engine.as_ref().map(|e| PollFd::new(e, PollFlags::IN)));
    retry_on_intr(|| poll(&mut fds, None)).map_err(|e| Error::io("can't wait", e))?;
    let ready = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
    Ok((ready(fds.get(1)), ready(fds.first())))
}

/// Everything that the container leaves but its tree: processes in the host's
/// process namespace, control groups, the runtime's state.
fn clean_up(runtime: &mut dyn Runtime, job: &Job) -> Result<()> {
    let layout = Layout::probe()?;
    while cgroup::kill(&layout, &job.cgroup)? {
        reaper::wait_for_orphan()?;
    }
    let deleted = runtime.delete(job);
    cgroup::remove(&layout, &job.cgroup)?;
    fs::remove_dir_all(&job.state)
        .map_err(|e| Error::io_at("remove the runtime's state in", &job.state, e))?;
    deleted.map_err(|f| Error::new(f.fault.into(), f.message))
}
