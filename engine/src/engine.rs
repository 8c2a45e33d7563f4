//! A storage driver and the records of what it holds, together.

use std::path::PathBuf;
use std::sync::Arc;

use graphdriver_api::GraphDriver;

use crate::additional::Additional;
use crate::error::Result;
use crate::image::Limits;
use crate::store::{Root, Store};

/// One driver's images and containers in one root. Cheap to open; may be
/// shared by threads.
#[derive(Debug)]
pub struct Engine {
    root: Root,
    driver: Arc<dyn GraphDriver>,
    store: Store,
    limits: Limits,
    additional: Vec<Additional>,
}

impl Engine {
    /// Joins an opened driver with its records in `root`.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(root: Root, driver: Arc<dyn GraphDriver>) -> Result<Self> {
        let store = Store::open(&root, driver.name())?;
        Ok(Self { root, driver, store, limits: Limits::default(), additional: Vec::new() })
    }

    /// The same with other limits for what is loaded and imported.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same with other stores, in the order in which they count; what is in them
    /// can be used like what is here. They are looked at only when something is
    /// looked for that isn't here, or when everything is listed.
    #[must_use]
    pub fn with_additional(self, paths: &[PathBuf]) -> Self {
        let driver = self.driver.name();
        let additional = paths.iter().map(|path| Additional::new(path, driver)).collect();
        Self { additional, ..self }
    }

    /// The other stores.
    #[must_use]
    pub fn additional(&self) -> &[Additional] {
        &self.additional
    }

    /// What an archive may cost.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Where everything lies.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The storage driver.
    #[must_use]
    pub fn driver(&self) -> &dyn GraphDriver {
        self.driver.as_ref()
    }

    /// The records.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }
}
