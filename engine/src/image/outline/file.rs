//! Where outlines lie, and how they come and go.
//!
//! One file a layer, in `outlines` beside the store's database, called by the
//! layer's chain ID. It is whole under that name: it is written under another,
//! and gets its own only when the layer's digest has been verified. Its content
//! depends on the layer's archive alone, so it doesn't matter which of several
//! loads has written it.
//!
//! The order: written, renamed, the driver commits the layer, outline and
//! folder flushed, the layer's row recorded. The driver's flush has mostly
//! written the outline too, so the one here costs little. So a row written by
//! this version never lacks its outline. What a crash leaves without a row is
//! [swept](Outlines::sweep) with the layers that have none.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::record::Recorder;
use crate::error::{Error, Result};
use crate::fault;
use crate::store::Store;

/// The folder's name in the store's.
const FOLDER: &str = "outlines";

/// How the name of an outline begins that is being written. No chain ID does.
const TEMPORARY: &str = ".new-";

/// "An outline, format 1"; behind it the archive's length in 8 bytes, the
/// lowest first, and then a zstd frame of [parts](super::format).
const MAGIC: [u8; 8] = *b"SAPWOUT1";

/// Bytes before the frame.
const PROLOGUE: usize = 16;

/// The fastest level: headers shrink to a tenth by it, and slower ones gain
/// little.
const LEVEL: i32 = 1;

/// Bytes of parts that are compressed at once.
const BUFFER: usize = 64 << 10;

/// A store's outlines.
#[derive(Debug, Clone)]
pub(crate) struct Outlines {
    dir: PathBuf,
}

impl Outlines {
    /// Those of `store`. Nothing is touched.
    pub(crate) fn of(store: &Store) -> Self {
        Self { dir: store.dir().join(FOLDER) }
    }

    /// Begins one. `name` is nobody else's meanwhile.
    pub(crate) fn begin(&self, name: &str, how: How) -> Result<Pending> {
        self.make_folder()?;
        let path = self.dir.join(format!("{TEMPORARY}{name}"));
        let fail = |e| Error::io("write", &path, e);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file =
            fault::point("outline.create").and_then(|()| options.open(&path)).map_err(fail)?;
        let temporary = Temporary(path.clone());
        file.write_all_at(&[0; PROLOGUE], 0).map_err(fail)?;
        let encoder = encoder(file).map_err(fail)?;
        let out = BufWriter::with_capacity(BUFFER, encoder);
        let recorder = match how {
            How::ByReference => Recorder::new(out),
            How::Verbatim => Recorder::verbatim(out),
        };
        Ok(Pending { dir: self.dir.clone(), temporary, recorder, failed: None })
    }

    /// Takes over the outline that another store has of a layer. Durable.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for what is no outline; [`Error::Io`].
    pub(crate) fn take(&self, chain: &str, from: &File) -> Result<()> {
        self.make_folder()?;
        let path = self.dir.join(chain);
        let checked = from.try_clone().map_err(|e| Error::io("read", &path, e))?;
        drop(Outline::new(checked, path.clone())?);
        let take = || -> io::Result<()> {
            fault::point("outline.create")?;
            let mut taken = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(&self.dir)?;
            let mut from = from;
            from.seek(io::SeekFrom::Start(0))?;
            fault::point("outline.write")?;
            io::copy(&mut from, &mut taken)?;
            fault::point("outline.rename")?;
            taken.persist(&path)?;
            Ok(())
        };
        take().map_err(|e| Error::io("write", &path, e))?;
        self.flush(chain)
    }

    /// Makes sure that the outline of a layer is on the medium, name and all.
    pub(crate) fn flush(&self, chain: &str) -> Result<()> {
        let path = self.dir.join(chain);
        sync(&path)?;
        sync(&self.dir)
    }

    /// A layer's outline; `None` if there is none.
    pub(crate) fn open(&self, chain: &str) -> Result<Option<Outline>> {
        let path = self.dir.join(chain);
        match File::open(&path) {
            Ok(file) => Outline::new(file, path).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("open", path, e)),
        }
    }

    /// Removes every outline of a layer that isn't `known`, and what broken-off
    /// loads have left. The caller holds the store's lock alone.
    pub(crate) fn sweep(&self, known: &HashSet<String>) -> Result<()> {
        let fail = |e| Error::io("read", &self.dir, e);
        let entries = match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(fail)?,
        };
        for entry in entries {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            if name.to_str().is_none_or(|name| !known.contains(name)) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    fn make_folder(&self) -> Result<()> {
        match fs::create_dir(&self.dir) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(Error::io("create", &self.dir, e)),
            Ok(()) => self.dir.parent().map_or(Ok(()), sync),
        }
    }
}

/// How an archive is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// With references to files.
    ByReference,
    /// Byte by byte.
    Verbatim,
}

type Encoder = zstd::Encoder<'static, File>;

fn encoder(mut file: File) -> io::Result<Encoder> {
    file.seek(io::SeekFrom::Start(PROLOGUE as u64))?;
    let mut encoder = zstd::Encoder::new(file, LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

/// An outline that is being written. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Pending {
    dir: PathBuf,
    temporary: Temporary,
    recorder: Recorder<BufWriter<Encoder>>,
    failed: Option<io::Error>,
}

impl Pending {
    /// Takes the next bytes of the archive. A failure is told at the end: who
    /// passes the bytes has other worries.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.recorder.push(bytes).err();
        }
    }

    /// Writes what is missing.
    pub(crate) fn finish(self) -> Result<Written> {
        let Self { dir, temporary, recorder, failed } = self;
        let finish = || -> io::Result<()> {
            if let Some(e) = failed {
                return Err(e);
            }
            fault::point("outline.write")?;
            let (out, total) = recorder.finish()?;
            let encoder = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            let file = encoder.finish()?;
            let [a, b, c, d, e, f, g, h] = MAGIC;
            let [i, j, k, l, m, n, o, p] = total.to_le_bytes();
            file.write_all_at(&[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p], 0)
        };
        finish().map_err(|e| Error::io("write", &temporary.0, e))?;
        Ok(Written { dir, temporary })
    }
}

/// An outline that is written and has no name yet. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Written {
    dir: PathBuf,
    temporary: Temporary,
}

impl Written {
    /// Makes it the outline of a layer whose archive has been verified.
    pub(crate) fn publish(self, chain: &str) -> Result<()> {
        let path = self.dir.join(chain);
        fault::point("outline.rename")
            .and_then(|()| fs::rename(&self.temporary.0, &path))
            .map_err(|e| Error::io("rename", &path, e))?;
        self.temporary.keep();
        Ok(())
    }
}

/// A file that is removed unless it is kept.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Temporary {
    fn keep(mut self) {
        self.0 = PathBuf::new();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty()
            && let Err(e) = remove(&self.0)
        {
            // The next sweep does.
            tracing::debug!("not removed: {}", e.report());
        }
    }
}

/// An outline to be read.
#[derive(Debug)]
pub(crate) struct Outline {
    path: PathBuf,
    len: u64,
    file: File,
}

impl Outline {
    fn new(mut file: File, path: PathBuf) -> Result<Self> {
        let mut prologue = [0; PROLOGUE];
        file.read_exact(&mut prologue).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => damaged(&path, "it is cut off"),
            _ => Error::io("read", &path, e),
        })?;
        let Some((magic, len)) = prologue.split_first_chunk::<8>() else {
            return Err(damaged(&path, "it is cut off"));
        };
        if *magic != MAGIC {
            return Err(damaged(&path, "it isn't an outline of a format that is known here"));
        }
        let len = len.first_chunk().copied().map_or(0, u64::from_le_bytes);
        Ok(Self { path, len, file })
    }

    /// Bytes of the archive.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The parts, and the outline's path for messages.
    pub(crate) fn parts(self) -> Result<(impl Read, PathBuf)> {
        let decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(BUFFER, self.file))
            .map_err(|e| Error::io("read", &self.path, e))?;
        Ok((BufReader::with_capacity(BUFFER, decoder), self.path))
    }
}

pub(super) fn damaged(path: &Path, problem: impl Into<String>) -> Error {
    Error::Corrupt { path: path.to_owned(), problem: problem.into() }
}

fn sync(path: &Path) -> Result<()> {
    fault::point("outline.fsync")
        .and_then(|()| File::open(path)?.sync_all())
        .map_err(|e| Error::io("flush", path, e))
}

fn remove(path: &Path) -> Result<()> {
    match fault::point("outline.remove").and_then(|()| fs::remove_file(path)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Root;

    fn outlines() -> (tempfile::TempDir, Outlines) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Root::open(dir.path()).unwrap(), "vfs").unwrap();
        (dir, Outlines::of(&store))
    }

    fn write(outlines: &Outlines, name: &str, bytes: &[u8]) -> Written {
        let mut pending = outlines.begin(name, How::Verbatim).unwrap();
        pending.push(bytes);
        pending.finish().unwrap()
    }

    fn names(outlines: &Outlines) -> Vec<String> {
        let entries = fs::read_dir(&outlines.dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_outline_has_its_name_only_when_it_is_whole() {
        let (_dir, outlines) = outlines();
        assert!(outlines.open("aa").unwrap().is_none());
        let pending = outlines.begin("one", How::ByReference).unwrap();
        assert_eq!(names(&outlines), [".new-one"]);
        drop(pending);
        drop(write(&outlines, "two", b"x"));
        assert!(names(&outlines).is_empty());
        write(&outlines, "three", &[7; 100_000]).publish("aa").unwrap();
        outlines.flush("aa").unwrap();
        assert_eq!(names(&outlines), ["aa"]);
        assert_eq!(outlines.open("aa").unwrap().unwrap().len(), 100_000);
    }

    #[test]
    fn a_sweep_removes_what_no_layer_has() {
        let (_dir, outlines) = outlines();
        outlines.sweep(&HashSet::new()).unwrap();
        write(&outlines, "x", b"x").publish("aa").unwrap();
        write(&outlines, "x", b"x").publish("bb").unwrap();
        fs::write(outlines.dir.join(".new-left"), b"").unwrap();
        outlines.sweep(&HashSet::from(["bb".to_owned()])).unwrap();
        assert_eq!(names(&outlines), ["bb"]);
    }

    #[test]
    fn damage_is_named() {
        let (_dir, outlines) = outlines();
        write(&outlines, "x", b"x").publish("aa").unwrap();
        let path = outlines.dir.join("aa");
        let whole = fs::read(&path).unwrap();
        for bytes in [&whole[..9], b"SAPWOUT9aaaaaaaaaaaaa"] {
            fs::write(&path, bytes).unwrap();
            assert!(matches!(outlines.open("aa"), Err(Error::Corrupt { .. })));
        }
    }
}
