//! SIGTERM, SIGINT and SIGHUP: the mount is taken away, and the program ends
//! when the last file in it is closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{SigSet, Signal};
use rustix::io::Errno;

use super::unmount::Target;
use super::{FAILED, ProcessError, say};

/// Where the program is on its way to its end.
#[derive(Debug)]
enum State {
    /// The mount isn't there yet.
    Mounting,
    /// A signal has come before the mount.
    Unwanted,
    /// The mount is there.
    Mounted(Target),
    /// The mount has been taken away; files in it may still be open.
    Unmounted,
}

/// What a signal means at present.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    state: Arc<Mutex<State>>,
}

impl Stop {
    /// Starts to answer signals, in a thread of their own. To be called before
    /// any other thread is started: each inherits that they don't reach it.
    ///
    /// SIGPIPE needs nothing: Rust's programs ignore it from their start.
    pub(super) fn on_signals() -> Result<Self, ProcessError> {
        let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1]
            .into_iter()
            .collect();
        signals.thread_block().map_err(error("block signals"))?;
        let stop = Self { state: Arc::new(Mutex::new(State::Mounting)) };
        let answering = stop.clone();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || answering.answer(&signals))
            .map_err(|e| ProcessError::Mount(format!("can't start a thread: {e}")))?;
        Ok(stop)
    }

    fn answer(&self, signals: &SigSet) {
        loop {
            match signals.wait() {
                // fuse-overlayfs tells numbers then. Who asks for them mustn't
                // end the program, as the kernel would.
                Ok(Signal::SIGUSR1) => tracing::info!("SIGUSR1 has no effect here"),
                Ok(signal) => self.signalled(signal),
                Err(errno) => say(&format!("signals can't be waited for: {errno}")),
            }
        }
    }

    /// The first signal unmounts. The next one ends the program at once: the
    /// mount can't be made or taken away, or files in it stay open.
    fn signalled(&self, signal: Signal) {
        let mut state = self.state();
        match &*state {
            State::Mounting => *state = State::Unwanted,
            State::Mounted(target) => match target.unmount() {
                Ok(()) => *state = State::Unmounted,
                // Stays mounted, and the next signal tries again.
                Err(error) => say(&super::say::chain(&error)),
            },
            State::Unwanted | State::Unmounted => {
                say(&format!("ended by a second signal, {signal}"));
                std::process::exit(FAILED.into());
            }
        }
    }

    /// Takes the mount away, as a signal would.
    pub(super) fn now(&self) -> Result<(), ProcessError> {
        let mut state = self.state();
        if let State::Mounted(target) = &*state {
            target.unmount()?;
            *state = State::Unmounted;
        }
        Ok(())
    }

    /// The mount is there. Whether it is still wanted: if a signal has come, it
    /// is taken away again.
    pub(super) fn mounted(&self, target: Target) -> Result<bool, ProcessError> {
        let mut state = self.state();
        let wanted = !matches!(*state, State::Unwanted);
        if wanted {
            *state = State::Mounted(target);
        } else {
            target.unmount()?;
            *state = State::Unmounted;
        }
        Ok(wanted)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A state is changed in one step, so one that a panic left is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn error(what: &'static str) -> impl Fn(nix::errno::Errno) -> ProcessError {
    move |errno| ProcessError::Setup(what, Errno::from_raw_os_error(errno as i32))
}
