//! Files with several names: which of them have been copied, and where to.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, linkat};
use rustix::io::Result;

use crate::at::FileId;
use crate::deep;

/// Where the first name of each such file is in the copy.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<HashMap<FileId, (PathBuf, OsString)>>);

impl Links {
    /// Makes `name` in `dir` (whose path is `path`) a name of the copy of
    /// `file`: by `make`, if it is the first, which is then returned; else by a
    /// hard link.
    ///
    /// The file is made under the lock, so that whoever finds it in the table
    /// finds it on the disk; it is filled later, which a link doesn't mind.
    pub(super) fn make_or_link<T>(
        &self,
        root: BorrowedFd<'_>,
        file: FileId,
        (dir, path): (BorrowedFd<'_>, &std::path::Path),
        name: &OsStr,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Option<T>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((first_path, first_name)) = known.get(&file).cloned() else {
            let made = make()?;
            known.insert(file, (path.to_owned(), name.to_owned()));
            return Ok(Some(made));
        };
        drop(known);
        let first_dir = deep::open_dir(root, &first_path)?;
        linkat(first_dir, first_name, dir, name, AtFlags::empty())?;
        Ok(None)
    }
}
