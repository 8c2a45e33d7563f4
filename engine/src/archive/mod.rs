//! Image archives: a file, a stream or a folder is recognised, and
//! each image in it found, with everything small read and checked against the
//! digests that name it.
//!
//! Nothing here writes to the store. Layers are only located: their bytes are
//! read, and verified, while they are unpacked.

mod compression;
mod content;
mod docker;
mod folder;
mod found;
mod media;
mod member;
mod oci;
mod platform;
mod problem;
mod source;
mod tar_index;

use std::fs::File;
use std::path::Path;

use crate::error::Result;
use crate::image::Limits;
use source::Source;

pub(crate) use compression::{Compression, Decoding, MAGIC_LEN};
pub(crate) use content::Content;
pub(crate) use found::{
    FoundImage, LayerFile, Manifest, check_count, check_digest, read_config, wrong_digest,
};
pub(crate) use platform::Platform;
pub(crate) use problem::Problem;

/// An opened archive, by the name that the user knows it by.
#[derive(Debug)]
pub(crate) struct Archive {
    name: String,
    source: Source,
}

impl Archive {
    /// Recognises `file`, which messages call `name`. A stream or a compressed
    /// archive is unpacked into a nameless file in `spool` first; `passed` is
    /// told how far that has come.
    pub(crate) fn open(
        file: File,
        name: &str,
        spool: &Path,
        limits: &Limits,
        passed: &dyn Fn(u64),
    ) -> Result<Self> {
        let source = Source::open(file, spool, limits, passed).map_err(|p| p.in_archive(name))?;
        Ok(Self { name: name.to_owned(), source })
    }

    /// The name that messages call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The images in it that are meant for this host, at least one.
    pub(crate) fn images(&self) -> Result<Vec<FoundImage>> {
        self.find_images().map_err(|p| p.in_archive(&self.name))
    }

    fn find_images(&self) -> problem::Result<Vec<FoundImage>> {
        if let Some(images) = docker::images(&self.source)? {
            return Ok(images);
        }
        if let Some(images) = oci::images(&self.source, &Platform::host())? {
            return Ok(images);
        }
        if self.is_a_store()? {
            return Err(Problem::new(
                "it is the folder of another engine's store; `sapwood image import-from` takes \
                 images from there",
            ));
        }
        Err(Problem::new(match self.source.find("repositories")? {
            Some(_) => {
                "it was written by a Docker older than 1.10 (it has no manifest.json); load it \
                 with a newer Docker and save it again"
            }
            None => {
                "there is no image in it: neither manifest.json (docker save) nor index.json (OCI \
                 image layout); `sapwood import` takes a root file system"
            }
        }))
    }

    /// Whether it is the folder in which Docker or Podman keeps its images.
    fn is_a_store(&self) -> problem::Result<bool> {
        for list in ["image/overlay2/repositories.json", "overlay-images/images.json"] {
            if self.source.find(list)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
