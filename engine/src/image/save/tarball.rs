//! The files of an archive as a tar.

use std::io::{self, Write};
use std::path::Path;

use tar::{EntryType, Header};

use super::Sink;
use crate::error::{Error, Result};

/// Blocks of an archive.
const BLOCK: u64 = 512;

/// Writes a tar.
pub(super) struct Tarball<'a> {
    out: &'a mut dyn Write,
    name: &'a str,
    /// Folders that have been written.
    folders: Vec<String>,
}

impl<'a> Tarball<'a> {
    pub(super) fn new(out: &'a mut dyn Write, name: &'a str) -> Self {
        Self { out, name, folders: Vec::new() }
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("write", Path::new(self.name), error)
    }

    fn header(&mut self, kind: EntryType, name: &str, len: u64) -> Result<()> {
        // GNU's form holds any length.
        let mut header = Header::new_gnu();
        header.set_path(name).map_err(|e| self.failed(e))?;
        header.set_entry_type(kind);
        header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(len);
        header.set_cksum();
        self.out.write_all(header.as_bytes()).map_err(|e| self.failed(e))
    }

    /// Before the first file in a folder, the folder.
    fn folders(&mut self, name: &str) -> Result<()> {
        for (slash, _) in name.match_indices('/') {
            let folder = name.get(..=slash).unwrap_or_default();
            if !self.folders.iter().any(|known| known == folder) {
                self.header(EntryType::Directory, folder, 0)?;
                self.folders.push(folder.to_owned());
            }
        }
        Ok(())
    }
}

impl Sink for Tarball<'_> {
    fn stream(
        &mut self,
        name: &str,
        len: u64,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        self.folders(name)?;
        self.header(EntryType::Regular, name, len)?;
        let mut exact = Exact { out: self.out, left: len };
        write(&mut exact)?;
        if exact.left > 0 {
            let short =
                io::Error::new(io::ErrorKind::UnexpectedEof, format!("{name} is too short"));
            return Err(self.failed(short));
        }
        let padding = (len.wrapping_neg() % BLOCK) as usize;
        let zeros = [0; BLOCK as usize];
        let padding = zeros.get(..padding).unwrap_or_default();
        self.out.write_all(padding).map_err(|e| self.failed(e))
    }

    fn finish(&mut self) -> Result<()> {
        let end = self.out.write_all(&[0; 2 * BLOCK as usize]).and_then(|()| self.out.flush());
        end.map_err(|e| self.failed(e))
    }
}

/// Takes as many bytes as were announced: one more would be read as the next
/// header.
struct Exact<'a> {
    out: &'a mut dyn Write,
    left: u64,
}

impl Write for Exact<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "there is more than announced"));
        }
        let written = self.out.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
