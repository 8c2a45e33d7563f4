//! Files of one layer, by descriptor: no call here follows a symbolic link or
//! resolves more than one name.

mod lower_path;
mod object;
mod stat;

pub(crate) use lower_path::LowerPath;
pub(crate) use object::Object;
pub use stat::Kind;
pub(crate) use stat::Stat;

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};

use crate::Result;

/// Opens a directory only to find things in it.
pub(crate) fn open_dir(dir: impl AsFd, name: &OsStr) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

/// Turns "there is no such file" into `None`, and nothing else.
pub(crate) fn absent_is_none<T>(result: Result<T>) -> Result<Option<T>> {
    use rustix::io::Errno;
    match result {
        Ok(value) => Ok(Some(value)),
        // A name that the layer's file system can't have isn't in it.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => Ok(None),
        Err(e) => Err(e),
    }
}
