//! Points at which a test can make the engine fail or die.
//!
//! Every mutation in this crate that a crash could cut off passes [`point`]
//! first. In a release that is an empty inline function. With the feature
//! `fault-injection`, a program that is there to be cut off hooks the points:
//! the way to show that each state in which a command can end is one that the
//! next command mends.

/// Passes the point `name` (`room.step`), just before the mutation that it
/// stands for.
///
/// # Errors
/// Only what a test injected.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub(crate) const fn point(_name: &'static str) -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "fault-injection")]
pub(crate) use armed::point;
#[cfg(feature = "fault-injection")]
pub use armed::{Hook, hook};

#[cfg(feature = "fault-injection")]
mod armed {
    use std::io;
    use std::sync::OnceLock;

    /// Asked at every point of a process, with the point's name.
    pub type Hook = fn(&'static str) -> io::Result<()>;

    static HOOK: OnceLock<Hook> = OnceLock::new();

    /// Has `hook` decide at every point of this process, whatever the thread,
    /// from now on. The first hook stays.
    pub fn hook(hook: Hook) {
        HOOK.get_or_init(|| hook);
    }

    pub(crate) fn point(name: &'static str) -> io::Result<()> {
        HOOK.get().map_or(Ok(()), |hook| hook(name))
    }
}
