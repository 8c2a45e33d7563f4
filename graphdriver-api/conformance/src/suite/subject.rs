//! What a run of the suite tests: a driver's factory, how it is opened, and
//! what is expected of it.

use std::sync::Arc;

use graphdriver_api::{DriverFactory, DriverOptions};

use crate::history::MapWrite;

/// A driver under test.
#[derive(Debug, Clone)]
pub struct Subject {
    factory: Arc<dyn DriverFactory>,
    options: DriverOptions,
    in_memory: bool,
    map_write: Option<MapWrite>,
}

impl Subject {
    /// A driver that keeps its state on disk, opened without options.
    pub fn new(factory: impl DriverFactory + 'static) -> Self {
        Self::from(Box::new(factory) as Box<dyn DriverFactory>)
    }

    /// The same driver opened with an option.
    #[must_use]
    pub fn with_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.0.push((name.into(), value.into()));
        self
    }

    /// Declares that the driver's state ends with the process: cases that need
    /// another one don't apply. Only for a model; a driver that keeps anything
    /// on disk has to pass them.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }

    /// Gives the suite a way to write to a file through a shared mapping: the
    /// descriptor, open for reading and writing, the offset, and the bytes.
    /// Without it, the cases that need it don't apply.
    #[must_use]
    pub fn with_map_write(mut self, map_write: MapWrite) -> Self {
        self.map_write = Some(map_write);
        self
    }

    /// The driver's factory.
    #[must_use]
    pub fn factory(&self) -> &dyn DriverFactory {
        self.factory.as_ref()
    }

    /// The options that it is opened with.
    #[must_use]
    pub fn options(&self) -> &DriverOptions {
        &self.options
    }

    /// The way to write through a mapping, if there is one.
    #[must_use]
    pub fn map_write(&self) -> Option<MapWrite> {
        self.map_write
    }

    /// Whether its state ends with the process.
    #[must_use]
    pub fn lives_in_memory(&self) -> bool {
        self.in_memory
    }
}

impl From<Box<dyn DriverFactory>> for Subject {
    fn from(factory: Box<dyn DriverFactory>) -> Self {
        let options = DriverOptions::default();
        Self { factory: factory.into(), options, in_memory: false, map_write: None }
    }
}
