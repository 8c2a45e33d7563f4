//! Whether a tree is what another one says that it should be, and in what it
//! isn't.
//!
//! Where [`diff`](crate::diff) tells *that* two files differ, for an archive of
//! the difference, this tells a person *how*. Everything that an archive holds
//! of a file is compared, as there: type, mode, owner, modification time, size,
//! content, extended attributes, link target, device number, and which names
//! are one file. What belongs to the host or to an overlay itself is not.

mod file;
mod links;
mod side;
mod what;

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use graphdriver_api::{Op, Result};

use crate::at::FileId;
use crate::diff::{Located, walk};

use links::Links;
use side::Side;

pub use what::{Difference, Value, What};

/// Two trees that should be the same. Nobody writes to either meanwhile.
#[derive(Clone, Copy)]
pub struct Compare<'a> {
    /// The root of the tree as it should be, open for reading.
    pub expected: BorrowedFd<'a>,
    /// The root of the tree as it is, likewise.
    pub found: BorrowedFd<'a>,
    /// Whether the bytes of this file of the tree as it is are known already,
    /// so that nobody need read them. Then its size still counts, but not what
    /// the other tree has in its place.
    pub known: &'a dyn Fn(FileId) -> bool,
}

impl std::fmt::Debug for Compare<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compare").field("found", &self.found).finish_non_exhaustive()
    }
}

impl Compare<'_> {
    /// Compares everything, and tells `sink` each path that differs, in path
    /// order. Beneath what is there in one tree only, or is a directory in one
    /// only, nothing is told.
    ///
    /// Memory: the names of the directories on the way down, and a name of
    /// every file with several. Cost: a walk of both trees, and reading the
    /// files that aren't known.
    ///
    /// # Errors
    /// Those of reading either tree, with the path. The operation is a check.
    pub fn whole(&self, sink: &mut dyn FnMut(Difference)) -> Result<()> {
        let mut judge = Judge::new(self, sink);
        walk(Op::Check, Some(self.expected), self.found, &mut |pair| {
            judge.path(pair.path, pair.old.as_ref(), pair.new.as_ref())?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// As [`whole`](Self::whole), at these paths alone: in path order, relative
    /// to the root, the root itself as `.`. What isn't there in either tree is
    /// alike. Of names of one file, only those among the paths are compared.
    ///
    /// Cost: some ten system calls a path.
    ///
    /// # Errors
    /// As there.
    pub fn at<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p Path>,
        sink: &mut dyn FnMut(Difference),
    ) -> Result<()> {
        let mut judge = Judge::new(self, sink);
        let (mut expected, mut found) = (Side::new(self.expected), Side::new(self.found));
        for path in paths {
            let name = path.file_name().unwrap_or(OsStr::new("."));
            judge.path(
                path,
                expected.locate(path, name)?.as_ref(),
                found.locate(path, name)?.as_ref(),
            )?;
        }
        Ok(())
    }
}

/// Compares one path after the other.
struct Judge<'a> {
    trees: &'a Compare<'a>,
    sink: &'a mut dyn FnMut(Difference),
    links: Links,
    /// The last path beneath which nothing is told.
    told: Option<PathBuf>,
}

impl<'a> Judge<'a> {
    fn new(trees: &'a Compare<'a>, sink: &'a mut dyn FnMut(Difference)) -> Self {
        Self { trees, sink, links: Links::default(), told: None }
    }

    fn path(
        &mut self,
        path: &Path,
        expected: Option<&Located<'_>>,
        found: Option<&Located<'_>>,
    ) -> Result<()> {
        if self.told.as_ref().is_some_and(|told| path.starts_with(told)) {
            return Ok(());
        }
        let all = match (expected, found) {
            (None, None) => Vec::new(),
            (Some(gone), None) => vec![What::Missing(gone.meta.kind)],
            (None, Some(new)) => vec![What::Extra(new.meta.kind)],
            (Some(expected), Some(found)) => {
                let mut all = file::differences(self.trees, path, expected, found)?;
                if let Some(link) = self.links.difference(path, &expected.meta, &found.meta) {
                    // What other bytes such a file should have, if any, is
                    // known of the one only that it should be.
                    all.retain(|what| *what != What::Content);
                    all.push(link);
                }
                all
            }
        };
        if all.is_empty() {
            return Ok(());
        }
        let difference = Difference { path: path.to_owned(), all };
        if difference.is_of_all_beneath() {
            self.told = Some(path.to_owned());
        }
        (self.sink)(difference);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
