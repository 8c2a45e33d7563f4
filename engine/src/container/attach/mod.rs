//! The engine's side of a container that runs in the foreground: its streams,
//! its terminal, the signals it is to get, until it has ended.

mod pump;
mod signals;
mod streams;
mod terminal;

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;

use self::pump::Pump;
use self::streams::Ends;
use super::error::{Error, ErrorKind, Result};
use super::monitor::{Ending, Order, ProcessId, Report, receive, send};

pub(super) use self::signals::Signals;
pub(super) use self::streams::pipes;
pub(super) use self::terminal::{Console, Terminal};

/// What the engine does when it learns that the command runs.
pub(super) type OnStart<'a> = dyn FnMut(ProcessId) -> Result<()> + 'a;

/// A container in the foreground.
#[derive(Debug)]
pub(super) struct Foreground<'a> {
    /// `None` once it has said its last word.
    monitor: Option<OwnedFd>,
    signals: &'a Signals,
    console: Option<Console>,
    terminal: Option<Terminal>,
    pumps: Vec<Pump>,
    /// Whether what is typed goes to the container's terminal.
    typing: bool,
    /// Whether the command runs. Until then, only a runtime can have written
    /// anything, and what it says on failing comes as the failure's message.
    started: bool,
}

/// SIGKILL.
const KILL: u8 = 9;

/// How many descriptors are watched beside those of the pumps.
const FIXED: usize = 3;

/// Which of them are ready.
struct Ready {
    signals: bool,
    monitor: bool,
    console: bool,
}

impl<'a> Foreground<'a> {
    /// A container with three pipes.
    ///
    /// # Errors
    /// The process has too many descriptors.
    pub(super) fn with_pipes(monitor: OwnedFd, signals: &'a Signals, ends: Ends) -> Result<Self> {
        let (monitor, pumps) = (Some(monitor), ends.pumps()?);
        Ok(Self {
            monitor,
            signals,
            console: None,
            terminal: None,
            pumps,
            typing: false,
            started: false,
        })
    }

    /// A container with a terminal, which comes through `console` once it is
    /// made.
    pub(super) fn with_console(
        monitor: OwnedFd,
        signals: &'a Signals,
        console: Console,
        typing: bool,
    ) -> Self {
        let (monitor, console) = (Some(monitor), Some(console));
        Self {
            monitor,
            signals,
            console,
            terminal: None,
            pumps: Vec::new(),
            typing,
            started: false,
        }
    }

    /// Serves the container until it has ended and all that it wrote has been
    /// handed on. A container whose monitor was killed was killed with it.
    ///
    /// # Errors
    /// The container couldn't be started, with the exit status that says why.
    pub(super) fn serve(mut self, on_start: &mut OnStart<'_>) -> Result<Ending> {
        match self.until_end(on_start) {
            Err(e) if self.started => {
                tracing::warn!("the container was killed: {e}");
                Ok(Ending::Signal(KILL))
            }
            ended => ended,
        }
    }

    fn until_end(&mut self, on_start: &mut OnStart<'_>) -> Result<Ending> {
        let ending = loop {
            match self.turn()? {
                None => {}
                Some(Report::Started(id)) => {
                    // What can't be noted ends the container, with that error.
                    on_start(id)?;
                    self.started = true;
                }
                Some(Report::Exited(ending)) => break ending,
                Some(Report::Failed { fault, message }) => {
                    return Err(Error::new(fault.into(), message));
                }
            }
        };
        self.drain()?;
        Ok(ending)
    }

    /// Hands on what is still in the pipes. All writers are dead by now, so
    /// that this ends; a signal ends it if whoever reads us doesn't read.
    fn drain(&mut self) -> Result<()> {
        self.monitor = None;
        self.pumps.retain(Pump::is_output);
        while !self.pumps.is_empty() {
            if self.wait()?.signals {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits for something to do and does it.
    fn turn(&mut self) -> Result<Option<Report>> {
        let ready = self.wait()?;
        if ready.signals {
            self.forward_signals()?;
        }
        if ready.console {
            self.open_terminal()?;
        }
        let Some(monitor) = self.monitor.as_ref().filter(|_| ready.monitor) else {
            return Ok(None);
        };
        match receive::<Report>(monitor.as_fd())? {
            Some((report, _)) => Ok(Some(report)),
            None => Err(Error::new(ErrorKind::Runtime, "the container's monitor died")),
        }
    }

    /// Waits until something is ready, and lets the pumps that are do a step.
    fn wait(&mut self) -> Result<Ready> {
        let flags = self.poll()?;
        let ready = |n: usize| flags.get(n).is_some_and(|f| !f.is_empty());
        for (n, pump) in self.pumps.iter_mut().enumerate() {
            if ready(FIXED + n) {
                pump.step();
            }
        }
        self.pumps.retain(|p| !p.is_done());
        Ok(Ready { signals: ready(0), monitor: ready(1), console: ready(2) })
    }

    /// What happened to the three fixed descriptors and to each pump's.
    fn poll(&self) -> Result<Vec<PollFlags>> {
        // A place holder never says anything.
        let idle = (self.signals.as_fd(), PollFlags::empty());
        let awaited = |fd| (fd, PollFlags::IN);
        let fixed = [
            awaited(self.signals.as_fd()),
            self.monitor.as_ref().map_or(idle, |m| awaited(m.as_fd())),
            self.console.as_ref().map_or(idle, |c| awaited(c.as_fd())),
        ];
        let pumps =
            self.pumps.iter().map(|p| p.interest().filter(|_| self.started).unwrap_or(idle));
        let mut fds: Vec<PollFd<'_>> = fixed
            .into_iter()
            .chain(pumps)
            .map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags))
            .collect();
        retry_on_intr(|| poll(&mut fds, None)).map_err(|e| Error::io("can't wait", e))?;
        Ok(fds.iter().map(PollFd::revents).collect())
    }

    fn forward_signals(&mut self) -> Result<()> {
        while let Some(signal) = self.signals.next()? {
            match (&self.terminal, signal) {
                // The kernel tells the container when its terminal changes.
                (Some(terminal), Signal::SIGWINCH) => terminal.fit()?,
                _ => self.order(signal)?,
            }
        }
        Ok(())
    }

    /// A monitor that is gone has its container dead: the next turn says so.
    fn order(&self, signal: Signal) -> Result<()> {
        let Some(monitor) = &self.monitor else {
            return Ok(());
        };
        match send(monitor.as_fd(), &Order::Signal(signal as i32), &[]) {
            Err(e) if e.is_broken_pipe() => Ok(()),
            sent => sent,
        }
    }

    fn open_terminal(&mut self) -> Result<()> {
        if let Some(console) = self.console.take() {
            let (terminal, pumps) = Terminal::connect(console.accept()?, self.typing)?;
            self.terminal = Some(terminal);
            self.pumps.extend(pumps);
        }
        Ok(())
    }
}
