//! Threads that work off a stack of jobs, each of which may add more.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::fault::Inherited;

/// What there is to do. The newest is done first, so that a walk goes deep
/// before it goes wide, and few directories are open at a time.
#[derive(Debug)]
pub(super) struct Jobs<J, E> {
    state: Mutex<State<J, E>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<J, E> {
    todo: Vec<J>,
    /// Jobs that are being done, and may add others.
    running: usize,
    failed: Option<E>,
}

impl<J: Send, E: Send> Jobs<J, E> {
    fn lock(&self) -> MutexGuard<'_, State<J, E>> {
        // A panic elsewhere has been counted as its job's end; see `Running`.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds jobs, the last of which is done first.
    pub(super) fn add(&self, jobs: impl IntoIterator<Item = J>) {
        self.lock().todo.extend(jobs);
        self.changed.notify_all();
    }

    /// The next job; `None` when there is nothing more to do, or one failed.
    fn next(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            if state.failed.is_some() {
                return None;
            }
            if let Some(job) = state.todo.pop() {
                state.running += 1;
                return Some(job);
            }
            if state.running == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work(&self, run: &(impl Fn(&Self, J) -> Result<(), E> + Sync)) {
        while let Some(job) = self.next() {
            let running = Running(self);
            let result = run(self, job);
            if let Err(e) = result {
                self.lock().failed.get_or_insert(e);
            }
            drop(running);
        }
    }
}

/// Counts a job as done, also if it panics: the others must not wait for it.
struct Running<'a, J: Send, E: Send>(&'a Jobs<J, E>);

impl<J: Send, E: Send> Drop for Running<'_, J, E> {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.changed.notify_all();
    }
}

/// Does the first job and all that come of it, in so many threads, the caller's
/// among them.
///
/// # Errors
/// The first that a job returned. What was running then has ended too; what
/// was waiting isn't done.
pub(super) fn run<J: Send, E: Send>(
    threads: usize,
    first: J,
    run: impl Fn(&Jobs<J, E>, J) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let state = State { todo: vec![first], running: 0, failed: None };
    let jobs = Jobs { state: Mutex::new(state), changed: Condvar::new() };
    let plan = Inherited::current();
    thread::scope(|scope| {
        for _ in 1..threads {
            let worker = || {
                plan.enter();
                jobs.work(&run);
            };
            // Where no thread can be had, there is one fewer.
            drop(thread::Builder::new().name("copy".into()).spawn_scoped(scope, worker));
        }
        jobs.work(&run);
    });
    match jobs.lock().failed.take() {
        Some(e) => Err(e),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn all_jobs_are_done_once() {
        for threads in [1, 2, 7] {
            let done = AtomicUsize::new(0);
            let ended: Result<(), ()> = run(threads, 10_usize, |jobs, n| {
                done.fetch_add(1, Ordering::Relaxed);
                jobs.add((0..n.min(4)).map(|_| n / 3));
                Ok(())
            });
            assert_eq!((ended, done.into_inner()), (Ok(()), 1 + 4 + 12 + 12));
        }
    }

    #[test]
    fn the_first_failure_ends_it() {
        let done = AtomicUsize::new(0);
        let ended = run(3, 0_usize, |jobs, n| {
            done.fetch_add(1, Ordering::Relaxed);
            jobs.add([n + 1]);
            if n == 50 { Err(n) } else { Ok(()) }
        });
        assert_eq!(ended, Err(50));
        assert!(done.into_inner() <= 52);
    }
}
