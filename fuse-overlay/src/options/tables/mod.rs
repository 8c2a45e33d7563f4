//! Which options there are.
//!
//! A new option is a line in one of these tables, and a line in
//! docs/fuse-overlay.md: a test misses it there.

mod behaviour;
mod format;
mod layers;
mod mount;
mod other;
mod owners;

use std::ffi::OsStr;

use super::UsageError;
use super::draft::Draft;
use super::value::Value;

pub use other::{FOR_MOUNT, FOR_MOUNT_PREFIXES, NO_EFFECT, REFUSED};

/// An option that does something.
pub(super) struct Known {
    pub(super) name: &'static str,
    /// What it does, in one line.
    pub(super) help: &'static str,
    pub(super) takes: Takes,
}

/// What may stand behind an option's name, as `--help` shows it, and how it gets
/// into the draft.
pub(super) enum Takes {
    /// Nothing.
    Nothing(fn(&mut Draft)),
    /// `=` and a value, always.
    Value(&'static str, Set),
    /// The same, or nothing.
    Maybe(&'static str, Set),
}

/// Puts an option's value into the draft, or says what it must be.
type Set = fn(&mut Draft, &Value<'_>) -> Result<(), UsageError>;

/// Options that are about one thing.
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) options: &'static [Known],
}

/// All that do something, in the order of `--help`.
pub(super) const GROUPS: &[Group] = &[
    Group { title: "Layers", options: layers::OPTIONS },
    Group { title: "Owners and permissions", options: owners::OPTIONS },
    Group { title: "What is kept in the layers", options: format::OPTIONS },
    Group { title: "Caches, flushes, threads", options: behaviour::OPTIONS },
    Group { title: "The mount", options: mount::OPTIONS },
];

/// The option of this name, if it does something.
pub(super) fn known(name: &OsStr) -> Option<&'static Known> {
    GROUPS.iter().flat_map(|group| group.options).find(|known| name == known.name)
}

/// The names of all options that aren't refused.
pub fn names() -> impl Iterator<Item = &'static str> {
    let known = GROUPS.iter().flat_map(|group| group.options).map(|known| known.name);
    known.chain(NO_EFFECT.iter().map(|(name, _)| *name)).chain(FOR_MOUNT.iter().copied())
}

const fn flag(name: &'static str, help: &'static str, set: fn(&mut Draft)) -> Known {
    Known { name, help, takes: Takes::Nothing(set) }
}

const fn value(name: &'static str, form: &'static str, help: &'static str, set: Set) -> Known {
    Known { name, help, takes: Takes::Value(form, set) }
}

const fn maybe(name: &'static str, form: &'static str, help: &'static str, set: Set) -> Known {
    Known { name, help, takes: Takes::Maybe(form, set) }
}
