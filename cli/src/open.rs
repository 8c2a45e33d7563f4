//! Choosing and opening the storage driver, and telling people about it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use graphdriver_api::GraphDriver;
use graphdriver_api::choice::Choice;
use sapwood_engine::store::Root;
use sapwood_engine::{Engine, Error};

use crate::failure::Failure;
use crate::settings::Settings;

/// The opened driver, the folder it is in, and why it is this one.
#[derive(Debug)]
pub struct Storage {
    /// The store's folder.
    pub root: Root,
    /// Why this driver.
    pub choice: Choice,
    /// The driver.
    pub driver: Arc<dyn GraphDriver>,
    /// Stores whose images can be used beside.
    pub additional: Vec<PathBuf>,
}

impl Storage {
    /// Opens the driver that the settings, the disk and the host lead to.
    ///
    /// # Errors
    /// The folder is somebody else's; no driver fits, or the one that does
    /// can't be opened: in the words of the store, the choice or the driver.
    pub fn open(settings: &Settings) -> Result<Self, Failure> {
        let root = Root::open(&settings.root).map_err(|e| unusable(&e))?;
        let (choice, driver) =
            sapwood_registry::open_chosen(root.path(), settings.wish(), &settings.options)
                .map_err(|e| Failure::new(e.to_string()))?;
        tell_hidden(&choice);
        Ok(Self { root, choice, driver, additional: settings.additional.clone() })
    }

    /// Joins the driver with the records of images and containers.
    ///
    /// # Errors
    /// Records that can't be opened, in the words of the store.
    pub fn engine(self) -> Result<Engine, Failure> {
        Ok(Engine::open(self.root, self.driver)?.with_additional(&self.additional))
    }
}

/// Why a folder can't be a store, with what to do where the store's own words
/// don't say it.
fn unusable(error: &Error) -> Failure {
    let advice = match error {
        Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            "; run as root, or choose another folder with --root"
        }
        Error::Io { .. } => "; choose another folder with --root",
        _ => "",
    };
    Failure::new(format!("{}{advice}", error.report()))
}

/// Tells on standard error that other drivers have layers here: they'd
/// otherwise seem lost.
fn tell_hidden(choice: &Choice) {
    if !choice.hidden.is_empty() {
        let others = choice.hidden.join(" and ");
        tracing::warn!(
            "{others} has images here too, which {} doesn't show; see them with --storage-driver",
            choice.name
        );
    }
}
