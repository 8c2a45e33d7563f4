//! Points at which a test can make the kit fail or die.
//!
//! Every mutation in this crate passes [`point`] first. In a release that is an
//! empty inline function. With the feature `fault-injection` (and in this
//! crate's own tests) a test can count the points that a call passes, make the
//! n-th of them fail with an errno, or kill its process there: the way to show
//! that each state in which a call can be cut off is one that `open` mends.
//!
//! What a test arms holds for its own thread and for threads that the kit
//! starts on its behalf, so that tests in one process don't disturb each other.
//! A program that is there to be cut off as a whole hooks all its points
//! instead (`hook`).

/// Passes the point `name` (`room.call.step`), just before the mutation that
/// it stands for.
///
/// # Errors
/// Only what a test injected.
#[cfg(not(any(test, feature = "fault-injection")))]
#[inline(always)]
pub const fn point(_name: &'static str) -> std::io::Result<()> {
    Ok(())
}

/// What a thread must take over from the one that started it; nothing in a
/// release.
#[cfg(not(any(test, feature = "fault-injection")))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inherited;

#[cfg(not(any(test, feature = "fault-injection")))]
impl Inherited {
    #[inline(always)]
    pub(crate) const fn current() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) const fn enter(&self) {}
}

#[cfg(any(test, feature = "fault-injection"))]
pub use armed::{Failure, Hook, Injection, hook, inject, point};

#[cfg(any(test, feature = "fault-injection"))]
pub(crate) use armed::Inherited;

#[cfg(any(test, feature = "fault-injection"))]
mod armed {
    use std::cell::RefCell;
    use std::io;
    use std::sync::{Arc, Mutex, OnceLock, PoisonError};

    /// Asked at every point of a process, with the point's name.
    pub type Hook = fn(&'static str) -> io::Result<()>;

    static HOOK: OnceLock<Hook> = OnceLock::new();

    /// Has `hook` decide at every point of this process, whatever the thread,
    /// from now on. The first hook stays.
    pub fn hook(hook: Hook) {
        HOOK.get_or_init(|| hook);
    }

    thread_local! {
        static PLAN: RefCell<Option<Arc<Plan>>> = const { RefCell::new(None) };
    }

    /// What happens at the chosen point.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Failure {
        /// Nothing: only count.
        None,
        /// The call fails with this errno.
        Errno(rustix::io::Errno),
        /// The process kills itself (SIGKILL), as a power cut would.
        Kill,
    }

    #[derive(Debug)]
    struct Plan {
        prefix: &'static str,
        nth: usize,
        failure: Failure,
        passed: Mutex<Vec<&'static str>>,
    }

    impl Plan {
        fn pass(&self, name: &'static str) -> io::Result<()> {
            if !name.starts_with(self.prefix) {
                return Ok(());
            }
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            passed.push(name);
            if passed.len() != self.nth {
                return Ok(());
            }
            match self.failure {
                Failure::None => Ok(()),
                Failure::Errno(errno) => Err(errno.into()),
                Failure::Kill => die(),
            }
        }
    }

    fn die() -> io::Result<()> {
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?;
        Ok(())
    }

    /// An armed plan; disarmed when dropped.
    #[derive(Debug)]
    #[must_use = "the plan is disarmed when this is dropped"]
    pub struct Injection(Arc<Plan>);

    impl Injection {
        /// The points passed since it was armed, those with another prefix left
        /// out.
        #[must_use]
        pub fn passed(&self) -> Vec<&'static str> {
            self.0.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
        }
    }

    impl Drop for Injection {
        fn drop(&mut self) {
            PLAN.with_borrow_mut(|plan| *plan = None);
        }
    }

    /// Arms this thread: the `nth` (from 1) point whose name begins with
    /// `prefix` fails. One plan a thread; a second replaces the first.
    pub fn inject(prefix: &'static str, nth: usize, failure: Failure) -> Injection {
        let plan = Arc::new(Plan { prefix, nth, failure, passed: Mutex::default() });
        PLAN.with_borrow_mut(|slot| *slot = Some(Arc::clone(&plan)));
        Injection(plan)
    }

    /// As the release's `point`, but a test may have armed it.
    ///
    /// # Errors
    /// What the test injected.
    pub fn point(name: &'static str) -> io::Result<()> {
        HOOK.get().map_or(Ok(()), |hook| hook(name))?;
        PLAN.with_borrow(|plan| plan.as_ref().map_or(Ok(()), |plan| plan.pass(name)))
    }

    /// The plan of the thread that starts another.
    #[derive(Debug, Clone)]
    pub(crate) struct Inherited(Option<Arc<Plan>>);

    impl Inherited {
        pub(crate) fn current() -> Self {
            Self(PLAN.with_borrow(Clone::clone))
        }

        pub(crate) fn enter(&self) {
            PLAN.with_borrow_mut(|slot| slot.clone_from(&self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn the_nth_point_with_the_prefix_fails_once() {
        let injection = inject("b.", 2, Failure::Errno(Errno::NOSPC));
        assert!(point("a.x").is_ok());
        assert!(point("b.x").is_ok());
        assert_eq!(point("b.y").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(point("b.z").is_ok());
        assert_eq!(injection.passed(), ["b.x", "b.y", "b.z"]);
        drop(injection);
        assert!(point("b.x").is_ok());
    }

    #[test]
    fn a_plan_holds_for_its_own_thread_and_for_heirs_only() {
        let injection = inject("", 1, Failure::Errno(Errno::IO));
        let plan = Inherited::current();
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(point("stranger").is_ok())).join().unwrap();
            scope
                .spawn(|| {
                    plan.enter();
                    assert!(point("heir").is_err());
                })
                .join()
                .unwrap();
        });
        assert_eq!(injection.passed(), ["heir"]);
    }
}
