//! Stores of other engines: Docker's and Podman's folders, from which images
//! are taken over without a daemon of theirs.
//!
//! Both keep a tar-split record of each layer, which gives the layer's archive
//! back byte for byte from its files. So an image in such a store is a source
//! like any archive: what comes out goes through the same load, with the same
//! checks, and the diff ID proves that a layer came over whole.
//!
//! The folder isn't trusted, never written to, and nothing in it is locked: its
//! engine may be running. What that changes meanwhile ends in an error that
//! names it, since lists are replaced there by renaming, and content is
//! verified here.

mod docker;
mod ground;
mod image;
mod index;
mod kind;
mod podman;
mod record;
mod split;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::archive::{FoundImage, Problem};
use crate::error::{Error, Result};
use crate::image::{Limits, Reference, is_hex};
use docker::Docker;
use ground::Ground;
use podman::Podman;

pub use image::ForeignImage;
pub use kind::Owner;
pub use record::{Part, Record};

/// What each owner's store can do.
trait Shelf: fmt::Debug {
    /// The images that are listed, in any order.
    fn images(&self) -> std::result::Result<Vec<ForeignImage>, Problem>;

    /// Everything small of an image, read and checked, with its layers located.
    fn find(
        &self,
        image: &ForeignImage,
        limits: &Limits,
    ) -> std::result::Result<FoundImage, Problem>;
}

/// An opened store of Docker's or Podman's.
#[derive(Debug)]
pub struct ForeignStore {
    name: String,
    owner: Owner,
    driver: &'static str,
    shelf: Box<dyn Shelf>,
}

impl ForeignStore {
    /// Opens the folder that `docker info` calls "Docker Root Dir", or `podman
    /// info` "graphRoot".
    ///
    /// # Errors
    /// [`Error::Io`] if it can't be opened; [`Error::BadArchive`] if it is no
    /// such store, is kept by a driver that isn't read, or has damaged lists.
    pub fn open(path: &Path) -> Result<Self> {
        let ground = Ground::open(path).map_err(|e| Error::io("open", path, e))?;
        let name = path.display().to_string();
        Self::recognise(Arc::new(ground), &name).map_err(|problem| problem.in_archive(&name))
    }

    fn recognise(ground: Arc<Ground>, name: &str) -> std::result::Result<Self, Problem> {
        let layout = kind::recognise(&ground)?;
        let shelf: Box<dyn Shelf> = match layout.owner {
            Owner::Docker => Box::new(Docker::new(ground, layout)),
            Owner::Podman => Box::new(Podman::open(ground, layout)?),
        };
        Ok(Self { name: name.to_owned(), owner: layout.owner, driver: layout.driver(), shelf })
    }

    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// What its owner calls the driver that keeps its layers.
    #[must_use]
    pub fn driver(&self) -> &str {
        self.driver
    }

    /// Its images, by name, those without a name last. Whether they are whole
    /// isn't known by that.
    ///
    /// # Errors
    /// [`Error::BadArchive`] for lists that can't be read.
    pub fn images(&self) -> Result<Vec<ForeignImage>> {
        let mut images = self.shelf.images().map_err(|p| p.in_archive(&self.name))?;
        images.sort_by_cached_key(|image| {
            (image.names.is_empty(), image.names.first().cloned(), image.id.clone())
        });
        Ok(images)
    }

    /// The one of `images` that `given` means: a name (with `latest` where it
    /// has no tag), a name with a digest, an id, or the beginning of an id. In
    /// Podman's stores the host may be left out where that leaves one image.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is none, [`Error::AmbiguousId`],
    /// [`Error::BadReference`].
    pub fn choose<'a>(&self, images: &'a [ForeignImage], given: &str) -> Result<&'a ForeignImage> {
        let hex = given.strip_prefix("sha256:").unwrap_or(given);
        let reference = given.parse::<Reference>();
        for short in [false, true] {
            let called = |image: &&ForeignImage| {
                reference.as_ref().is_ok_and(|reference| image.is_called(reference, short))
            };
            let allowed = !short || self.owner == Owner::Podman;
            if let Some(image) = only(given, images.iter().filter(called).filter(|_| allowed))? {
                return Ok(image);
            }
        }
        if let Some(image) = only(given, images.iter().filter(|i| i.begins_with(hex)))? {
            return Ok(image);
        }
        match reference {
            Err(why) if !is_hex(hex) => Err(Error::BadReference { given: given.to_owned(), why }),
            _ => Err(Error::Invalid(format!(
                "no such image in {0}: {given}; `sapwood image import-from --list -a {0}` lists \
                 those that are there",
                self.name
            ))),
        }
    }

    /// Everything small of an image, read and checked.
    pub(crate) fn find(
        &self,
        image: &ForeignImage,
        limits: &Limits,
    ) -> std::result::Result<FoundImage, Problem> {
        self.shelf.find(image, limits)
    }
}

/// The image, unless there are several.
fn only<'a>(
    given: &str,
    mut fitting: impl Iterator<Item = &'a ForeignImage>,
) -> Result<Option<&'a ForeignImage>> {
    let Some(first) = fitting.next() else { return Ok(None) };
    let mut matches: Vec<_> = fitting.map(|image| image.id.short().to_owned()).collect();
    if matches.is_empty() {
        return Ok(Some(first));
    }
    matches.insert(0, first.id.short().to_owned());
    Err(Error::AmbiguousId { prefix: given.to_owned(), matches })
}

/// Whether a store's own name for a layer is one: it becomes part of a path.
fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}
