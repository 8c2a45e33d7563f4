//! Blobs on their way into an archive: digested while they are written, never held in memory.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::images::error::Error;

/// A folder for blobs, gone with this value.
#[derive(Debug)]
pub(crate) struct Store {
    folder: TempDir,
    count: usize,
}

/// A blob in a [`Store`].
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    /// SHA-256 of the content, in hexadecimal.
    pub digest: String,
    pub size: u64,
    pub path: PathBuf,
}

impl Store {
    /// Beside what will be written in the end: there's room there, or nowhere.
    pub(crate) fn beside(path: &Path) -> Result<Self, Error> {
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let folder = tempfile::Builder::new()
            .prefix(".sapwood-image-")
            .tempdir_in(parent)
            .map_err(Error::at("create a folder in", parent))?;
        Ok(Self { folder, count: 0 })
    }

    /// Keeps what `write` writes. `write`'s own result comes back beside the blob.
    pub(crate) fn add<T>(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
    ) -> Result<(Blob, T), Error> {
        let path = self.folder.path().join(self.count.to_string());
        self.count += 1;
        let file = File::create(&path).map_err(Error::at("create", &path))?;
        let mut out = Digesting::new(BufWriter::new(file));
        let write_all = |out: &mut Digesting<_>| {
            let result = write(out)?;
            out.flush().map(|()| result)
        };
        let result = write_all(&mut out).map_err(Error::at("write", &path))?;
        let (digest, size) = out.finish();
        Ok((Blob { digest, size, path }, result))
    }
}

/// Passes everything on, and knows its digest and length in the end.
pub(crate) struct Digesting<W> {
    out: W,
    hash: Sha256,
    length: u64,
}

impl<W> Digesting<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, hash: Sha256::new(), length: 0 }
    }

    pub(crate) fn finish(self) -> (String, u64) {
        let digest = self.hash.finalize();
        (digest.iter().map(|byte| format!("{byte:02x}")).collect(), self.length)
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.length += u64::try_from(written).map_err(io::Error::other)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
