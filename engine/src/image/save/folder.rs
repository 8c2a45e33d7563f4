//! The files of an archive in a folder.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Sink;
use crate::error::{Error, Result};

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

/// Writes a folder. Everything is on the medium when it is finished.
pub(super) struct Folder {
    dir: PathBuf,
    /// Folders that were made, each after the one it is in.
    made: Vec<PathBuf>,
}

impl Folder {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), made: vec![dir.to_owned()] }
    }

    fn make_parent(&mut self, path: &Path) -> Result<()> {
        let Some(parent) = path.parent().filter(|p| !self.made.iter().any(|m| m == p)) else {
            return Ok(());
        };
        let parent = parent.to_owned();
        self.make_parent(&parent)?;
        fs::create_dir(&parent).map_err(|e| Error::io("create", &parent, e))?;
        self.made.push(parent);
        Ok(())
    }
}

impl Sink for Folder {
    fn stream(
        &mut self,
        name: &str,
        _len: u64,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        let path = self.dir.join(name);
        self.make_parent(&path)?;
        let fail = |e| Error::io("write", &path, e);
        let mut out = BufWriter::with_capacity(BUFFER, File::create_new(&path).map_err(fail)?);
        write(&mut out)?;
        let file = out.into_inner().map_err(|e| fail(e.into_error()))?;
        file.sync_all().map_err(fail)
    }

    fn finish(&mut self) -> Result<()> {
        self.made.iter().rev().try_for_each(|dir| {
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| Error::io("flush", dir, e))
        })
    }
}
