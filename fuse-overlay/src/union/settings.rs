//! What a union is made of, and how it behaves.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{getegid, geteuid};

use super::Owners;
use crate::format::Names;

/// The directories of a union.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The layers below, the uppermost first.
    pub lowers: Vec<PathBuf>,
    /// The upper layer and the work directory beside it; without them nothing
    /// can be changed.
    pub upper: Option<(PathBuf, PathBuf)>,
}

/// Whether this process has the privileges of the host's root, which the marks
/// `trusted.*` want: it isn't enough to be root in a user namespace.
#[must_use]
pub fn has_privileges() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let everybody = map.split_whitespace().eq(["0", "0", "4294967295"]);
    everybody && geteuid().is_root()
}

/// How a union behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// In which namespace the marks are.
    pub names: Names,
    /// How long the kernel may keep an answer.
    pub timeout: Duration,
    /// A copy is on the medium before it takes its name.
    pub sync: bool,
    /// Nothing is flushed, and the work directory says so: after a crash the
    /// upper layer isn't to be trusted.
    pub volatile: bool,
    /// Files that may be kept open.
    pub open_files: usize,
    /// Directories of lower layers can be moved.
    pub redirect: bool,
    /// The kernel asks whenever a file is opened, and what is opened for writing
    /// is copied up then. Else it never asks, which is faster, and the first
    /// write copies up.
    pub copy_up_on_open: bool,
    /// The kernel gathers writes before it sends them.
    pub writeback: bool,
    /// All names of a file lead to its copy.
    pub index: bool,
    /// Extended attributes are shown.
    pub xattrs: bool,
    /// ACLs are kept.
    pub acl: bool,
    /// Whose files are, as it is shown.
    pub owners: Owners,
    /// Whose the files are that this process makes: user and group.
    pub owner: (u32, u32),
    /// Each file is said to have one link.
    pub static_links: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            names: Names::Trusted,
            // A year: nobody else may change the layers.
            timeout: Duration::from_secs(365 * 24 * 3600),
            sync: true,
            volatile: false,
            open_files: 1024,
            redirect: true,
            copy_up_on_open: false,
            writeback: false,
            index: true,
            xattrs: true,
            acl: true,
            owners: Owners::default(),
            owner: (geteuid().as_raw(), getegid().as_raw()),
            static_links: false,
        }
    }
}
