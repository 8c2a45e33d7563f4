//! Saving images: the other way of a load.
//!
//! Each layer is written byte for byte as it came, each configuration as it is
//! kept; so every diff ID and every image id is the same when the archive is
//! loaded, here or elsewhere. Nothing in what is written depends on the clock
//! or on chance: the same images give the same bytes.
//!
//! Every format holds an OCI image layout; [`Format::DockerArchive`] also has
//! the documents by which Docker and podman find the same blobs.

mod document;
mod folder;
mod select;
mod tarball;

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use graphdriver_api::LayerId;

use self::document::{Described, describe};
use self::folder::Folder;
use self::select::{Selected, select};
use self::tarball::Tarball;
use super::digest::{ChainId, Digest};
use super::lease::{self, Lease};
use super::load::make::layer_id;
use super::progress::{Event, Progress, Stage};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::store::{Durability, layers};

/// What kind of archive is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// What `docker save` writes and everything loads: a tar with a
    /// `manifest.json`, and an OCI image layout beside it.
    #[default]
    DockerArchive,
    /// A tar of an OCI image layout.
    OciArchive,
}

/// A layer to be written.
#[derive(Debug)]
struct Blob {
    layer: LayerId,
    diff_id: Digest,
    len: u64,
    /// The image that it is of, for messages.
    image: String,
}

/// Where files go, one after the other.
trait Sink {
    /// A small file.
    fn document(&mut self, name: &str, content: &[u8]) -> Result<()> {
        self.stream(name, content.len() as u64, &mut |out| {
            out.write_all(content).map_err(|e| Error::io("write", Path::new(name), e))
        })
    }

    /// A file of `len` bytes, which `write` writes.
    fn stream(
        &mut self,
        name: &str,
        len: u64,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<()>;
    /// There are no more.
    fn finish(&mut self) -> Result<()>;
}

impl Engine {
    /// Writes an archive of `images` to `out`, which messages call `name`.
    ///
    /// Each image is a name, with which it is saved; a repository, whose names
    /// are all saved; or an id, which is saved without a name. (So does
    /// `docker save`.) Layers that several of them have are written once.
    ///
    /// What `out` has got is an archive only once this has returned `Ok`.
    ///
    /// # Errors
    /// As [`Engine::image`]; [`Error::Unsaved`] names the image and why.
    pub fn save(
        &self,
        images: &[String],
        format: Format,
        (out, name): (&mut dyn Write, &str),
        progress: &dyn Progress,
    ) -> Result<()> {
        let mut tarball = Tarball::new(out, name);
        self.save_to(images, format == Format::DockerArchive, &mut tarball, progress)
    }

    /// As [`save`](Self::save): an OCI image layout in the folder `dir`, which
    /// is there and empty. On a failure some of it may be there.
    ///
    /// # Errors
    /// As there.
    pub fn save_folder(
        &self,
        images: &[String],
        dir: &Path,
        progress: &dyn Progress,
    ) -> Result<()> {
        self.save_to(images, false, &mut Folder::new(dir), progress)
    }

    fn save_to(
        &self,
        images: &[String],
        docker: bool,
        sink: &mut dyn Sink,
        progress: &dyn Progress,
    ) -> Result<()> {
        let saved = self.save_under_lease(images, docker, sink, progress);
        lease::clean_up_after(self, saved)
    }

    fn save_under_lease(
        &self,
        images: &[String],
        docker: bool,
        sink: &mut dyn Sink,
        progress: &dyn Progress,
    ) -> Result<()> {
        // From here on no layer can be removed.
        let lease = Lease::begin(self.store())?;
        let saved = self.write_all(&lease, images, docker, sink, progress);
        self.store().write(Durability::Later, |t| layers::end_work(t, lease.token()))?;
        saved
    }

    fn write_all(
        &self,
        lease: &Lease,
        images: &[String],
        docker: bool,
        sink: &mut dyn Sink,
        progress: &dyn Progress,
    ) -> Result<()> {
        let selected = select(self, images)?;
        for one in &selected {
            // What nothing needs afterwards goes with the clean-up.
            one.store.map_or(Ok(()), |store| self.lend_all(store, &one.image))?;
        }
        let blobs = self.blobs(&selected)?;
        let Described { documents, blobs: small } = describe(&selected, &blobs, docker)?;
        let mut written = HashSet::new();
        for (name, content) in documents.iter().chain(&small) {
            if written.insert(name.clone()) {
                sink.document(name, content)?;
            }
        }
        for (number, blob) in blobs.iter().enumerate() {
            if written.insert(blob_name(&blob.diff_id)) {
                self.write_blob(lease, number, blob, sink, progress)?;
            }
        }
        sink.finish()
    }

    /// The layers of all images, from the lowest up.
    fn blobs(&self, images: &[Selected<'_>]) -> Result<Vec<Blob>> {
        let mut blobs = Vec::new();
        for Selected { image, .. } in images {
            let diff_ids = image.config.diff_ids();
            for (chain, diff_id) in ChainId::all(diff_ids).iter().zip(diff_ids) {
                let (layer, image) = (layer_id(chain)?, image.id.to_string());
                let len = self.archive_len(&layer).map_err(|e| unsaved(&image, e))?;
                blobs.push(Blob { layer, diff_id: diff_id.clone(), len, image });
            }
        }
        Ok(blobs)
    }

    fn write_blob(
        &self,
        lease: &Lease,
        number: usize,
        blob: &Blob,
        sink: &mut dyn Sink,
        progress: &dyn Progress,
    ) -> Result<()> {
        let view = lease.draft(number)?;
        Event::layer(&blob.diff_id, Stage::Begun(blob.len), progress);
        sink.stream(&blob_name(&blob.diff_id), blob.len, &mut |out| {
            let recorded = self.recorded(&blob.layer)?;
            let mut passing = Passing { out, blob, passed: 0, progress };
            self.reassemble_as(&recorded, &view, &mut passing)
                .map(drop)
                .map_err(|e| unsaved(&blob.image, e))
        })?;
        Event::layer(&blob.diff_id, Stage::Committed, progress);
        Ok(())
    }
}

fn unsaved(image: &str, error: Error) -> Error {
    Error::Unsaved { image: image.to_owned(), source: Box::new(error) }
}

/// Where a layout has the blob of this digest.
fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// Tells how much has been written.
struct Passing<'a> {
    out: &'a mut dyn Write,
    blob: &'a Blob,
    passed: u64,
    progress: &'a dyn Progress,
}

impl Write for Passing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.passed += written as u64;
        Event::layer(&self.blob.diff_id, Stage::Read(self.passed), self.progress);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
