//! A tree in which paths are looked up one after the other.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use graphdriver_api::{Op, Result};
use rustix::io::Errno;

use crate::at::{Context, Meta};
use crate::deep;
use crate::diff::Located;

/// One of the two trees.
pub(super) struct Side<'a> {
    root: BorrowedFd<'a>,
    /// The directory of the last path, which is mostly that of the next; `None`
    /// in it if there is no such directory.
    last: Option<(PathBuf, Option<OwnedFd>)>,
}

impl<'a> Side<'a> {
    pub(super) fn new(root: BorrowedFd<'a>) -> Self {
        Self { root, last: None }
    }

    /// What stands at `path`, whose last component is `name`. No symbolic link
    /// is followed: beneath one nothing stands.
    pub(super) fn locate<'s>(
        &'s mut self,
        path: &Path,
        name: &'s OsStr,
    ) -> Result<Option<Located<'s>>> {
        let above = path.parent().unwrap_or(Path::new(""));
        if self.last.as_ref().is_none_or(|(last, _)| last != above) {
            let dir = self.open(above)?;
            self.last = Some((above.to_owned(), dir));
        }
        let Some((_, Some(dir))) = &self.last else { return Ok(None) };
        match Meta::at(dir, name) {
            Ok(meta) => Ok(Some(Located { dir: dir.as_fd(), name, meta })),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e).doing(Op::Check, "look at the file", path),
        }
    }

    fn open(&self, path: &Path) -> Result<Option<OwnedFd>> {
        match deep::open_dir(self.root, path) {
            Ok(dir) => Ok(Some(dir)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(e) => Err(e).doing(Op::Check, "open the directory", path),
        }
    }
}
