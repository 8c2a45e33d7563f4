//! Giving an image a name.

use super::find::find;
use super::load::now;
use super::reference::{Name, Reference};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::store::{Durability, images};

impl Name {
    /// Reads a name that an image is to have; without a tag it means `latest`.
    ///
    /// # Errors
    /// [`Error::BadReference`]; [`Error::Invalid`] for a name with a digest,
    /// which is computed and can't be given.
    pub fn parse(given: &str) -> Result<Self> {
        let reference: Reference =
            given.parse().map_err(|why| Error::BadReference { given: given.to_owned(), why })?;
        reference.named().ok_or_else(|| {
            Error::Invalid(format!("{given:?} has a digest; an image is given a name and a tag"))
        })
    }
}

impl Engine {
    /// Gives the image that `source` means the name `target`; whichever image
    /// had it loses it. Durable.
    ///
    /// # Errors
    /// As [`Engine::image`].
    pub fn tag(&self, source: &str, target: &Name) -> Result<()> {
        // One of another store becomes one of ours.
        let id = self.usable_image(source)?.id.to_string();
        self.store().write(Durability::Full, |t| {
            let image = find(t, &id)?;
            images::set_name(t, target, &image.id, now())?;
            Ok(())
        })
    }
}
