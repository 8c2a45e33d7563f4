//! What options have said so far.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{Access, Label, MountFlags, UnionOptions};

/// Options on their way. What can contradict something else, or depends on who
/// said it, has a field of its own; the rest goes straight to where it belongs.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// `lowerdir`
    pub(super) lowerdir: Option<Vec<PathBuf>>,
    /// Each `lowerdir+`
    pub(super) lowerdir_plus: Vec<PathBuf>,
    pub(super) upperdir: Option<PathBuf>,
    pub(super) workdir: Option<PathBuf>,
    pub(super) union: UnionOptions,
    pub(super) squash_to_root: bool,
    pub(super) volatile: bool,
    pub(super) fsync: Option<bool>,
    pub(super) threaded: Option<bool>,
    pub(super) max_threads: Option<usize>,
    pub(super) allow_other: bool,
    pub(super) allow_root: bool,
    pub(super) read_only: bool,
    pub(super) flags: MountFlags,
    pub(super) fsname: Option<OsString>,
    pub(super) subtype: Option<OsString>,
    pub(super) labels: Vec<Label>,
    pub(super) max_read: Option<u32>,
    pub(super) auto_unmount: bool,
    pub(super) debug: bool,
    pub(super) without_effect: Vec<(&'static str, &'static str)>,
}

impl Draft {
    /// Who may look into the mount, if it was said.
    pub(super) fn access(&self) -> Option<Access> {
        match (self.allow_other, self.allow_root) {
            (true, _) => Some(Access::All),
            (_, true) => Some(Access::OwnerAndRoot),
            _ => None,
        }
    }

    /// Notes an option that changes nothing. Each is noted once.
    pub(super) fn note(&mut self, entry: (&'static str, &'static str)) {
        if !self.without_effect.contains(&entry) {
            self.without_effect.push(entry);
        }
    }
}
