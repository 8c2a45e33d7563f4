//! A layer's archive, made of its outline and its tree, and verified.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use graphdriver_api::{DraftId, ErrorKind, LayerId, NodeRef};

use super::file::{Outline, Outlines, damaged};
use super::format::{self, Part};
use super::tree::{Failed, Files, look};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::image::digest::{Digest, Hasher};
use crate::image::lease::Lease;
use crate::store::layers;

/// What was put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reassembled {
    /// Bytes of the archive.
    pub bytes: u64,
    /// Whether it was made of an outline. If not, the layer has none, and the
    /// archive that the driver makes of it happens to be the one that it came
    /// as.
    pub by_outline: bool,
}

/// A layer that is to be put together.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) layer: LayerId,
    pub(crate) diff_id: Digest,
    /// The layer beneath.
    pub(crate) parent: Option<LayerId>,
}

impl Engine {
    /// Writes the archive of `layer` (the digits of its chain ID) to `out`: the
    /// uncompressed bytes whose digest is its diff ID, exactly as it was
    /// loaded. Every byte of its files is read and verified on the way.
    ///
    /// What `out` has got is only that archive once this has returned `Ok`.
    /// Nothing can remove the layer meanwhile.
    ///
    /// Cost: a mount, and reading the layer's own files. Memory: some 2 MiB.
    ///
    /// # Errors
    /// [`Error::BadLayer`] if the layer isn't what it was, naming the file
    /// where that can be told; or if it has no outline, because it was loaded
    /// by a version that made none, and can't be written without.
    /// [`Error::Corrupt`] for a damaged outline; `Invalid` if no such layer is
    /// recorded; `Io` for a file that can't be read, which says nothing about
    /// it; what the driver and `out` fail with.
    pub fn reassemble(&self, layer: &LayerId, out: &mut dyn Write) -> Result<Reassembled> {
        let lease = Lease::begin(self.store())?;
        let put = self
            .recorded(layer)
            .and_then(|recorded| self.reassemble_as(&recorded, &lease.draft(0)?, out));
        lease.end(self, 1)?;
        put
    }

    /// What is recorded of an image's layer.
    pub(crate) fn recorded(&self, layer: &LayerId) -> Result<Recorded> {
        let row = self.store().read(|c| layers::chain(c, layer.as_str()))?.into_iter().next();
        let known = row.and_then(|row| Some((row.diff_id.parse().ok()?, row.parent)));
        let (diff_id, parent) = known.ok_or_else(|| {
            Error::Invalid(format!("{} isn't recorded as a layer of an image", layer.as_str()))
        })?;
        let parent = parent.map(LayerId::new).transpose();
        let parent = parent.map_err(|e| Error::Invalid(e.to_string()))?;
        Ok(Recorded { layer: layer.clone(), diff_id, parent })
    }

    /// How many bytes [`reassemble`](Self::reassemble) will write. Where the
    /// layer has no outline, its archive is made for that, and thrown away.
    ///
    /// # Errors
    /// As there, as far as they show without reading the layer's files.
    pub fn archive_len(&self, layer: &LayerId) -> Result<u64> {
        match Outlines::of(self.store()).open(layer.as_str())? {
            Some(outline) => Ok(outline.len()),
            None => {
                self.without_outline(&self.recorded(layer)?, &mut io::sink()).map(|made| made.bytes)
            }
        }
    }

    /// As [`reassemble`](Self::reassemble), by a view of this name. The caller
    /// holds the lease.
    pub(crate) fn reassemble_as(
        &self,
        recorded: &Recorded,
        view: &DraftId,
        out: &mut dyn Write,
    ) -> Result<Reassembled> {
        let Some(outline) = Outlines::of(self.store()).open(recorded.layer.as_str())? else {
            return self.without_outline(recorded, out);
        };
        let len = outline.len();
        let mut out = Verified::new(out, &recorded.diff_id);
        look(self, &recorded.layer, view, |root| expand(outline, root, recorded, &mut out))?;
        out.expect(len, recorded)?;
        Ok(Reassembled { bytes: len, by_outline: true })
    }

    pub(super) fn without_outline(
        &self,
        recorded: &Recorded,
        out: &mut dyn Write,
    ) -> Result<Reassembled> {
        let mut out = Verified::new(out, &recorded.diff_id);
        let written = self.driver().diff(NodeRef::Layer(&recorded.layer), &mut out);
        match written {
            Err(e) if e.kind() == ErrorKind::Unsupported => {
                return Err(bad(recorded, NO_OUTLINE.to_owned(), Some(e.into())));
            }
            written => written?,
        };
        let (bytes, found) = out.finish();
        if found != recorded.diff_id {
            return Err(bad(recorded, NO_OUTLINE.to_owned(), None));
        }
        Ok(Reassembled { bytes, by_outline: false })
    }
}

const NO_OUTLINE: &str = "it can't be written as it came: it was loaded by a version of Sapwood \
                          that didn't keep what is needed for that; remove its images and load \
                          them again from their archives";

fn expand(
    outline: Outline,
    root: BorrowedFd<'_>,
    recorded: &Recorded,
    out: &mut dyn Write,
) -> Result<()> {
    let (mut parts, path) = outline.parts()?;
    let mut files = Files::new(root);
    loop {
        match next(&mut parts, &path)? {
            None => return Ok(()),
            Some(Part::Bytes(bytes)) => out.write_all(&bytes).map_err(unwritten)?,
            Some(Part::File(file)) => {
                files.copy(&file, out).map_err(|failed| failed.of(recorded, &file.path))?;
            }
        }
    }
}

impl Failed {
    /// The error that it is for a file of a layer.
    pub(super) fn of(self, recorded: &Recorded, path: &[u8]) -> Error {
        let path = OsStr::from_bytes(path);
        match self {
            Self::File(problem) => {
                bad(recorded, format!("its file {path:?} is damaged: {problem}"), None)
            }
            Self::Unread(doing, e) => Error::io(doing, path, e),
            Self::Out(e) => unwritten(e),
        }
    }
}

pub(super) fn unwritten(error: io::Error) -> Error {
    Error::io("write", "the layer's archive", error)
}

pub(super) fn next(parts: &mut dyn Read, path: &Path) -> Result<Option<Part>> {
    format::next(parts).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => damaged(path, "it is cut off"),
        io::ErrorKind::InvalidData | io::ErrorKind::Other => damaged(path, e.to_string()),
        _ => Error::io("read", path, e),
    })
}

fn bad(
    recorded: &Recorded,
    problem: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::BadLayer { layer: recorded.diff_id.to_string(), problem, source }
}

/// Takes the digest of what passes.
pub(super) struct Verified<'a> {
    out: &'a mut dyn Write,
    hasher: Hasher,
    bytes: u64,
}

impl<'a> Verified<'a> {
    pub(super) fn new(out: &'a mut dyn Write, expected: &Digest) -> Self {
        Self { out, hasher: Hasher::new(expected.algorithm()), bytes: 0 }
    }

    /// Fails unless what has passed are the `len` bytes that the layer came as.
    pub(super) fn expect(self, len: u64, recorded: &Recorded) -> Result<()> {
        let (bytes, found) = self.finish();
        if found == recorded.diff_id && bytes == len {
            return Ok(());
        }
        let problem = format!(
            "its archive can't be put together again: it has digest {found}, and had {}",
            recorded.diff_id
        );
        Err(bad(recorded, problem, None))
    }

    fn finish(self) -> (u64, Digest) {
        (self.bytes, self.hasher.finish())
    }
}

impl Write for Verified<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
