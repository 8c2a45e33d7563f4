//! What a run of the suite tests: a driver's factory, how it is opened, and
//! what is expected of it.

use std::sync::Arc;

use graphdriver_api::{DriverFactory, DriverOptions};

/// A driver under test.
#[derive(Debug, Clone)]
pub struct Subject {
    factory: Arc<dyn DriverFactory>,
    options: DriverOptions,
    in_memory: bool,
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

    /// Whether its state ends with the process.
    #[must_use]
    pub fn lives_in_memory(&self) -> bool {
        self.in_memory
    }
}

impl From<Box<dyn DriverFactory>> for Subject {
    fn from(factory: Box<dyn DriverFactory>) -> Self {
        Self { factory: factory.into(), options: DriverOptions::default(), in_memory: false }
    }
}
