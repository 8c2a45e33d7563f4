//! Loading images from an archive.
//!
//! 1. The archive is recognised, and everything small in it read and checked.
//! 2. Layers that aren't here are unpacked and committed. A layer that is here
//!    is skipped without reading the archive's copy: it was verified under the
//!    same name when it came.
//! 3. One transaction records all images with their names. Until then nothing
//!    names them, and a failure leaves the store as it was: what was unpacked
//!    for nothing is [removed](crate::image::lease).
//!
//! Memory: some MiB and the archive's largest JSON, whatever the layers' size;
//! beside that what decompressing needs (8 MiB for zstd's usual levels).

pub(crate) mod make;
mod plan;
pub(crate) mod stream;
mod unpack;

use std::fs::File;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Transaction;

use super::digest::{ChainId, Digest};
use super::lease::{self, Lease};
use super::progress::{Event, Progress};
use super::reference::Name;
use crate::archive::{Archive, FoundImage, Problem};
use crate::engine::Engine;
use crate::error::Result;
use crate::store::{Durability, images, layers};
use make::Maker;

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its id.
    pub id: Digest,
    /// The names that the archive gives it.
    pub names: Vec<Name>,
    /// Names among them that were another image's, with that image's id.
    pub taken: Vec<(Name, String)>,
}

impl Engine {
    /// Loads every image of an archive: what `docker save`, podman, skopeo,
    /// buildah, umoci and buildx write, as a file, a stream or (OCI image
    /// layouts) a folder; as it is, or compressed with gzip, zstd or xz.
    /// `name` is what messages call it.
    ///
    /// Several processes may load at once; what they share is kept once.
    ///
    /// # Errors
    /// [`Error::BadArchive`](crate::Error::BadArchive) says what is wrong and where; [`Error::Conflict`](crate::Error::Conflict)
    /// for an image with more layers than the driver takes; the driver's and
    /// the store's own. No image is recorded and no name moved then, and
    /// layers that were unpacked for it are removed: at once, or by another
    /// load that is still running when that ends.
    pub fn load(&self, file: File, name: &str, progress: &dyn Progress) -> Result<Vec<Loaded>> {
        let spooled = |bytes| progress.event(Event::Spooled(bytes));
        let archive = Archive::open(file, name, self.store().dir(), self.limits(), &spooled)?;
        let images = archive.images()?;
        let loaded = self.load_found(&images, archive.name(), progress);
        lease::clean_up_after(self, loaded)
    }

    /// Loads what was found in `archive`. The caller cleans up.
    pub(crate) fn load_found(
        &self,
        images: &[FoundImage],
        archive: &str,
        progress: &dyn Progress,
    ) -> Result<Vec<Loaded>> {
        self.check_depth(images, archive)?;
        self.load_images(images, archive, progress)
    }

    fn load_images(
        &self,
        images: &[FoundImage],
        archive: &str,
        progress: &dyn Progress,
    ) -> Result<Vec<Loaded>> {
        let lease = Lease::begin(self.store())?;
        let maker = Maker { engine: self, lease: &lease, progress, archive };
        maker.make(plan::jobs(images))?;
        self.store().write(Durability::Full, |t| {
            let loaded = images.iter().map(|image| record(t, image)).collect::<Result<_>>()?;
            layers::end_work(t, lease.token())?;
            Ok(loaded)
        })
    }

    /// Refuses what the driver could only refuse at the last layer.
    fn check_depth(&self, images: &[FoundImage], archive: &str) -> Result<()> {
        let Some(limit) = self.driver().traits().max_depth else { return Ok(()) };
        let deepest = images.iter().map(|i| i.layers.len()).max().unwrap_or(0);
        if u32::try_from(deepest).is_ok_and(|deepest| deepest <= limit.get()) {
            return Ok(());
        }
        let driver = self.driver().name();
        Err(Problem::new(format!(
            "an image in it has {deepest} layers, and {driver} takes {limit} here; load it with \
             another --storage-driver"
        ))
        .in_archive(archive))
    }
}

/// Records an image, its manifest and its names.
fn record(change: &Transaction<'_>, image: &FoundImage) -> Result<Loaded> {
    let id = image.config.id();
    let (text, now) = (id.to_string(), now());
    let top = ChainId::all(image.config.diff_ids()).pop();
    images::insert(change, &text, image.config.raw(), top.as_ref().map(ChainId::hex), now)?;
    let mut taken = Vec::new();
    for name in &image.names {
        if let Some(before) = images::set_name(change, name, &text, now)? {
            taken.push((name.clone(), before));
        }
    }
    if let Some(manifest) = &image.manifest {
        let digest = manifest.digest.to_string();
        let (media_type, content) = (&manifest.media_type, &manifest.content);
        images::insert_manifest(change, &text, &digest, media_type, content)?;
        for name in &image.names {
            images::set_digest(change, &name.repository, &digest, &text)?;
        }
    }
    for (repository, digest) in &image.digests {
        images::set_digest(change, repository, &digest.to_string(), &text)?;
    }
    Ok(Loaded { id: id.clone(), names: image.names.clone(), taken })
}

/// Seconds since 1970; a clock that stands before that counts as there.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
