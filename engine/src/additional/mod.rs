//! Stores that somebody else fills, whose images are used from where they lie.
//!
//! Their records are read, and nothing of theirs is ever written or locked. Own
//! names and ids win; then the stores count in the order in which they were given.
//! An image that is only looked at stays theirs. One that is used becomes one of
//! ours, without its names: those go on meaning what the store says, so
//! that an image which is replaced there is replaced here.
//!
//! A store that can't be used is said to be, once, and otherwise left out. What only
//! removes never asks for one.

mod lend;
mod look;
mod open;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rusqlite::Connection;

use crate::error::{Error, Result};
pub(crate) use lend::Wanted;
use open::Opened;

/// Another store, of the same driver. Nothing of it is touched before something is
/// looked for in it.
#[derive(Debug)]
pub struct Additional {
    path: PathBuf,
    driver: &'static str,
    opened: OnceLock<Result<Opened, String>>,
}

impl Additional {
    /// The store in the folder `path`, of which the images of `driver` are meant.
    #[must_use]
    pub fn new(path: &Path, driver: &'static str) -> Self {
        Self { path: path.to_owned(), driver, opened: OnceLock::new() }
    }

    /// Its folder, as it was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many images it has.
    ///
    /// Cost: its records are read, a copy of a file; the first time only.
    ///
    /// # Errors
    /// [`Error::Additional`] says why it can't be used.
    pub fn images(&self) -> Result<usize> {
        self.read(|c| Ok(crate::store::images::all(c)?.len()))
    }

    /// Runs `work` on its records.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.opened()?.read(work).map_err(|e| match e {
            // What isn't there is no fault of the store's.
            e
            @ (Error::NoSuchImage(_) | Error::AmbiguousId { .. } | Error::BadReference { .. }) => e,
            e => self.unusable(e.report()),
        })
    }

    fn opened(&self) -> Result<&Opened> {
        let open = || Opened::open(&self.path, self.driver);
        self.opened.get_or_init(open).as_ref().map_err(|why| self.unusable(why.clone()))
    }

    fn unusable(&self, problem: String) -> Error {
        Error::Additional { path: self.path.clone(), problem }
    }

    /// The root of its driver.
    fn driver_root(&self) -> PathBuf {
        self.path.join(self.driver)
    }
}
