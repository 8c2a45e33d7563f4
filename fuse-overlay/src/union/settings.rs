//! What a union is made of, and how it behaves.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{getegid, geteuid};

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

/// How a union behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// In which namespace the marks are.
    pub names: Names,
    /// How long the kernel may keep an answer.
    pub timeout: Duration,
    /// A copy is on the medium before it takes its name.
    pub sync: bool,
    /// Files that may be kept open.
    pub open_files: usize,
    /// Directories of lower layers can be moved.
    pub redirect: bool,
    /// The kernel asks whenever a file is opened, and what is opened for writing
    /// is copied up then. Else it never asks, which is faster, and the first
    /// write copies up.
    pub ask_to_open: bool,
    /// The kernel gathers writes before it sends them.
    pub writeback: bool,
    /// Extended attributes are shown.
    pub xattrs: bool,
    /// ACLs are kept.
    pub acl: bool,
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
            open_files: 1024,
            redirect: true,
            ask_to_open: false,
            writeback: false,
            xattrs: true,
            acl: true,
            owner: (geteuid().as_raw(), getegid().as_raw()),
            static_links: false,
        }
    }
}
