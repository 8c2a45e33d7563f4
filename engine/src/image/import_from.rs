//! Taking images over from a store of Docker's or Podman's.

use std::time::SystemTime;

use super::lease;
use super::load::Loaded;
use super::progress::Progress;
use crate::archive::{FoundImage, Problem};
use crate::engine::Engine;
use crate::error::Result;
use crate::foreign::{ForeignImage, ForeignStore};
use crate::store::images;

/// An image that was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// As if it had come from an archive.
    pub loaded: Loaded,
    /// Whether it was here before: then it has only been given its names.
    pub was_here: bool,
}

/// What is known of an image in another store without reading its layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// When it was built: RFC 3339, unchecked; empty if that isn't known.
    pub created: String,
    /// The same, as far as it can be read.
    pub created_at: Option<SystemTime>,
    /// How many layers it has.
    pub layers: usize,
    /// Whether it is here already.
    pub is_here: bool,
    /// Why it can't be taken over, as far as that shows.
    pub problem: Option<String>,
}

impl Engine {
    /// Takes an image over, with all its names: as [`Engine::load`] from the
    /// archive that the other engine would write of it, with the same checks.
    /// The store isn't changed, and its engine may be running.
    ///
    /// # Errors
    /// As [`Engine::load`]; what is wrong is said of the store by its name and
    /// the image by its id. Nothing of the image stays then.
    pub fn import_from(
        &self,
        store: &ForeignStore,
        image: &ForeignImage,
        progress: &dyn Progress,
    ) -> Result<Imported> {
        let was_here = self.has(image)?;
        let source = source(store, image);
        let found = self.found(store, image).map_err(|problem| problem.in_archive(&source))?;
        let loaded = self.load_found(std::slice::from_ref(&found), &source, progress);
        let mut loaded = lease::clean_up_after(self, loaded)?;
        let nothing = || Problem::new("nothing came of it").in_archive(&source);
        Ok(Imported { loaded: loaded.pop().ok_or_else(nothing)?, was_here })
    }

    /// What there is to know of an image before it is taken over.
    ///
    /// # Errors
    /// Only this store's own: what is wrong with the image is part of the
    /// answer.
    pub fn offer(&self, store: &ForeignStore, image: &ForeignImage) -> Result<Offer> {
        let is_here = self.has(image)?;
        Ok(match self.found(store, image) {
            Ok(found) => Offer {
                created: found.config.fields().created.clone(),
                created_at: found.config.created(),
                layers: found.layers.len(),
                is_here,
                problem: None,
            },
            Err(problem) => {
                Offer { is_here, problem: Some(problem.to_string()), ..Offer::default() }
            }
        })
    }

    fn found(
        &self,
        store: &ForeignStore,
        image: &ForeignImage,
    ) -> std::result::Result<FoundImage, Problem> {
        store.find(image, self.limits())
    }

    fn has(&self, image: &ForeignImage) -> Result<bool> {
        let id = image.id.to_string();
        self.store().read(|c| Ok(!images::by_prefix(c, &id)?.is_empty()))
    }
}

/// What messages call the place that the image comes from.
fn source(store: &ForeignStore, image: &ForeignImage) -> String {
    match image.names.first() {
        Some(name) => format!("{}: image {name} ({})", store.name(), image.id.short()),
        None => format!("{}: image {}", store.name(), image.id.short()),
    }
}
