//! What can go wrong around a mount.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use sapwood_sys::daemon::ForkError;

/// Why a mount wasn't made, or ended. One line with its causes.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There can be no second process.
    #[error("can't go into the background; -f stays in the foreground")]
    Fork(#[source] ForkError),
    /// Something that every process can do has failed.
    #[error("can't {0}")]
    Setup(&'static str, #[source] Errno),
    /// Where to mount can't be looked at.
    #[error(
        "the mount point {0:?} can't be used; create the directory, or unmount what is left there with fusermount3 -u"
    )]
    Mountpoint(PathBuf, #[source] io::Error),
    /// The file for the log can't be opened.
    #[error("{variable}: {path:?} can't be written to")]
    Log {
        /// The environment variable that names it.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A signal has come before the mount, which has been undone.
    #[error("a signal came before the mount was there, and it has been undone")]
    Unwanted,
    /// The mount has ended without having begun.
    #[error("the file system ended before it was mounted")]
    NeverMounted,
    /// The mount can't be taken away.
    #[error("{path:?} can't be unmounted: {reason}")]
    Unmount {
        /// The mount point.
        path: PathBuf,
        /// What was said.
        reason: String,
    },
    /// The mount's own error, in words.
    #[error("{0}")]
    Mount(String),
}

impl ProcessError {
    /// For system calls that only fail if something else is very wrong.
    pub(super) fn setup(what: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::Setup(what, errno)
    }
}
