//! What a process inherits, and a file system can't use.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

use super::ProcessError;

/// Allows as many open files as the host does, and takes no bits from the modes
/// of files: who creates one has a mask of his own.
pub(super) fn raise() -> Result<(), ProcessError> {
    umask(Mode::empty());
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard })
        .map_err(ProcessError::setup("raise the limit of open files"))
}
