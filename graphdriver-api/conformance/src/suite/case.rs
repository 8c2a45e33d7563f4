//! What a case is: a name, the sentence it checks, what it needs, and a
//! function that checks it.

use std::fmt;

use super::context::Context;
use super::stop::Verdict;

/// One thing that every driver does, and the check that it does.
///
/// A case gets a root directory of its own, so that no case depends on another
/// or on the order in which they run.
#[derive(Clone, Copy)]
pub struct Case {
    /// `theme::what_it_checks`: unique, and stable, because expectation files
    /// name it.
    pub name: &'static str,
    /// Whether a driver may be excused from it.
    pub kind: Kind,
    /// The sentence that it checks.
    pub rule: Rule,
    /// What must be there for it to have a meaning.
    pub needs: &'static [Need],
    /// Whether no other case may run beside it in the same process. For cases
    /// that make mount namespaces: a new one has a copy of every mount, so
    /// that other cases' mounts would live longer than they should.
    pub alone: bool,
    /// The check.
    pub run: fn(&Context<'_>) -> Verdict,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.name, self.kind)
    }
}

/// Whether an expectations file can excuse a driver from a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No: the contract demands it of every driver.
    Law,
    /// Yes, with the rule of the kernel that forces it: it is what programs
    /// expect of a file system, and some kernels' can't give it.
    Behaviour,
}

/// Where the sentence that a case checks is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// In the contract's documentation, word for word; a test of this crate
    /// looks it up, so that a sentence can't change without its case.
    Contract(&'static str),
    /// In the OCI image specification (layer.md), or in the formats that it
    /// refers to: the place, and what it says.
    Image(&'static str),
    /// In a manual page of the system's: the page, and what it says.
    System(&'static str),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract(text) => write!(f, "contract: {text}"),
            Self::Image(text) => write!(f, "image-spec: {text}"),
            Self::System(text) => f.write_str(text),
        }
    }
}

/// What a case needs to have a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// [`Traits::rebase`](graphdriver_api::Traits::rebase).
    Rebase,
    /// The opposite: how the driver refuses it.
    NoRebase,
    /// A [`max_depth`](graphdriver_api::Traits::max_depth).
    DepthLimit,
    /// No limit of the depth.
    NoDepthLimit,
    /// [`Traits::id_maps`](graphdriver_api::Traits::id_maps).
    IdMaps,
    /// The opposite: how the driver refuses them.
    NoIdMaps,
    /// [`GraphDriver::native_diff`](graphdriver_api::GraphDriver::native_diff).
    NativeDiff,
    /// [`GraphDriver::quota`](graphdriver_api::GraphDriver::quota).
    Quota,
    /// The opposite: how the driver refuses limits.
    NoQuota,
    /// [`GraphDriver::borrowing`](graphdriver_api::GraphDriver::borrowing).
    Borrow,
    /// [`DriverFactory::care`](graphdriver_api::DriverFactory::care).
    Care,
    /// Mounts that can outlive the process, found out by persisting one.
    Persist,
    /// A way to write through a mapping of memory, which safe code hasn't
    /// ([`Subject::with_map_write`](super::Subject::with_map_write)).
    MapWrite,
    /// A driver whose state outlives the process: every driver but one that
    /// is declared to live in memory
    /// ([`Subject::in_memory`](super::Subject::in_memory)).
    OnDisk,
}

/// The table at the top of a theme's file: kind, function, the sentence that
/// it checks, what it needs, and `alone true` if it must be. The case is named after
/// theme and function.
macro_rules! cases {
    ($theme:ident: $(
        $kind:ident $name:ident, $source:ident($text:literal)
            $(, needs [$($need:ident),+])? $(, alone $alone:literal)?;
    )+) => {
        pub(super) const CASES: &[$crate::suite::case::Case] = &[$(
            $crate::suite::case::Case {
                name: concat!(stringify!($theme), "::", stringify!($name)),
                kind: $crate::suite::case::Kind::$kind,
                rule: $crate::suite::case::Rule::$source($text),
                needs: &[$($($crate::suite::case::Need::$need),+)?],
                alone: false $(|| $alone)?,
                run: $name,
            }
        ),+];
    };
}
pub(super) use cases;
