//! Choosing and opening the storage driver, and telling people about it.

use std::sync::Arc;

use graphdriver_api::GraphDriver;
use graphdriver_api::choice::Choice;

use crate::failure::Failure;
use crate::settings::Settings;

/// The opened driver and why it is this one.
#[derive(Debug)]
pub struct Storage {
    /// Why this driver.
    pub choice: Choice,
    /// The driver.
    pub driver: Arc<dyn GraphDriver>,
}

impl Storage {
    /// Opens the driver that the settings, the disk and the host lead to.
    ///
    /// # Errors
    /// No driver fits, or the one that does can't be opened: in the words of
    /// the choice or of the driver.
    pub fn open(settings: &Settings) -> Result<Self, Failure> {
        let (choice, driver) =
            sapwood_registry::open_chosen(&settings.root, settings.wish(), &settings.options)
                .map_err(|e| Failure::new(e.to_string()))?;
        Ok(Self { choice, driver })
    }
}

/// Tells on standard error that other drivers have layers here: they'd
/// otherwise seem lost.
pub fn tell_hidden(choice: &Choice) {
    if !choice.hidden.is_empty() {
        let others = choice.hidden.join(" and ");
        tracing::warn!(
            "{others} has images here too, which {} doesn't show; see them with --storage-driver",
            choice.name
        );
    }
}
