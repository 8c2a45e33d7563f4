//! A layer's archive, made of its tar-split record and its files, on the fly:
//! the bytes as the layer once came. Whether they are is for whoever takes
//! their digest to say.

use std::io::{self, BufReader, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use tar::Header;

use super::ground::Ground;
use super::record::{Part, Record};
use crate::archive::{Compression, Content, Decoding, LayerFile, MAGIC_LEN, Problem};
use crate::image::Digest;
use crate::in_tree::InTree;

/// Bytes of a compressed record that are read at once.
const CHUNK: usize = 64 << 10;

/// Where a layer's record and files are. Opened anew by each reader: the
/// layers of a deep image would take more descriptors than a process has.
#[derive(Debug, Clone)]
pub(super) struct Split {
    pub(super) ground: Arc<Ground>,
    /// The compressed record.
    pub(super) record: String,
    /// The directory with the layer's files.
    pub(super) tree: String,
    /// About how many bytes the archive has; 0 if that isn't known.
    pub(super) len: u64,
    /// What decompressing the record may cost.
    pub(super) decoding: Decoding,
}

impl Split {
    /// The layer of this diff ID, if record and tree are there: one that lacks
    /// either should be told before others are unpacked.
    pub(super) fn into_layer(self, diff_id: &Digest) -> Result<LayerFile, Problem> {
        self.open()?;
        Ok(LayerFile {
            name: format!("layer {diff_id}"),
            bytes: Arc::new(self),
            diff_id: diff_id.clone(),
            blob: Some(diff_id.clone()),
            compression: Some(Compression::None),
        })
    }

    fn open(&self) -> Result<Opened, Problem> {
        let tree = self.ground.require_dir(&self.tree)?;
        let Some((record, _)) = self.ground.file(&self.record)? else {
            return Err(Problem::new(format!(
                "there is no tar-split record of it ({:?}), without which its archive can't be \
                 given back: it came in pieces (zstd:chunked), or with a very old version; pull the \
                 image again, or save and load it",
                self.record
            )));
        };
        let lines = self.decompressed(record)?;
        let record = Record::new(BufReader::with_capacity(CHUNK, lines));
        Ok(Opened { record, tree: InTree::new(tree), bytes: Vec::new(), position: 0, file: None })
    }

    fn decompressed(&self, record: std::fs::File) -> Result<Box<dyn Read + Send>, Problem> {
        let mut record = BufReader::with_capacity(CHUNK, record);
        let start = io::BufRead::fill_buf(&mut record)?;
        let kind = Compression::of(start.get(..MAGIC_LEN).unwrap_or(start))?;
        if kind != Compression::Gzip {
            let text = format!("its tar-split record {:?} isn't compressed with gzip", self.record);
            return Err(Problem::new(text));
        }
        Ok(kind.decode(record, self.decoding)?)
    }
}

impl Content for Split {
    fn len(&self) -> u64 {
        self.len
    }

    fn reader(&self) -> Box<dyn Read + Send> {
        Box::new(SplitReader { split: self.clone(), opened: None })
    }
}

/// Reads a layer's archive. Opens what it reads from when it is first read.
#[derive(Debug)]
struct SplitReader {
    split: Split,
    opened: Option<Opened>,
}

impl Read for SplitReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.opened {
            Some(opened) => opened.read(buf),
            None => {
                let opened = self.split.open().map_err(|p| io::Error::other(p.to_string()))?;
                self.opened.insert(opened).read(buf)
            }
        }
    }
}

struct Opened {
    record: Record<BufReader<Box<dyn Read + Send>>>,
    tree: InTree<OwnedFd>,
    /// Bytes of the record, from `position` on still to be given.
    bytes: Vec<u8>,
    position: usize,
    /// The file whose bytes are being given.
    file: Option<Current>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Opened {
    /// 0 only at the end, or for an empty buffer.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let given = match &mut self.file {
                Some(file) => file.read(buf)?,
                None => self.give(buf),
            };
            if given > 0 || buf.is_empty() {
                return Ok(given);
            }
            self.file = None;
            if !self.advance()? {
                return Ok(0);
            }
        }
    }

    fn give(&mut self, buf: &mut [u8]) -> usize {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let given = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..given), rest.get(..given)) {
            to.copy_from_slice(from);
        }
        self.position += given;
        given
    }

    /// Goes to the next part; `false` at the end.
    fn advance(&mut self) -> io::Result<bool> {
        match self.record.next_part().map_err(cut_off)? {
            None => return Ok(false),
            Some(Part::Bytes(bytes)) => {
                self.bytes.clear();
                self.position = 0;
                self.bytes.extend_from_slice(bytes);
                return Ok(true);
            }
            Some(Part::File { size: 0, .. }) => {}
            Some(Part::File { name, size }) => {
                check_dense(&self.bytes, name, size)?;
                self.file = Some(Current::open(&mut self.tree, name, size)?);
            }
        }
        self.bytes.clear();
        self.position = 0;
        Ok(true)
    }
}

/// The decompressor doesn't say of what it has too little.
fn cut_off(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(error.kind(), "its tar-split record is cut off")
        }
        io::ErrorKind::InvalidInput => {
            io::Error::new(error.kind(), format!("its tar-split record is damaged: {error}"))
        }
        _ => error,
    }
}

/// Of a sparse file, the record has the length with its holes, and neither
/// where they are nor how the archive says so. `before` are the file's headers.
fn check_dense(before: &[u8], name: &[u8], size: u64) -> io::Result<()> {
    const MARK: &[u8] = b"GNU.sparse.";
    let Some(header) = before.last_chunk::<512>().map(|block| Header::from_byte_slice(block))
    else {
        return Ok(());
    };
    let differs = header.entry_size().is_ok_and(|stored| stored != size);
    if differs && before.windows(MARK.len()).any(|bytes| bytes == MARK) {
        let why = "was sparse in the layer's archive, which tar-split can't give back (neither can \
                   `docker save` or `podman save`); build the image again without sparse files";
        return Err(bad(name, why));
    }
    Ok(())
}

/// A file on its way.
#[derive(Debug)]
struct Current {
    name: Vec<u8>,
    fd: OwnedFd,
    left: u64,
}

impl Current {
    fn open(tree: &mut InTree<OwnedFd>, name: &[u8], size: u64) -> io::Result<Self> {
        let (fd, meta) = tree.open(name).map_err(|e| match e {
            Errno::NOENT | Errno::NOTDIR => bad(name, "isn't there any more"),
            Errno::INVAL | Errno::LOOP => bad(name, "isn't a regular file any more"),
            e => bad(name, format!("can't be opened: {}", io::Error::from(e))),
        })?;
        if meta.size != size {
            return Err(bad(name, format!("has {} bytes, and had {size}", meta.size)));
        }
        Ok(Self { name: name.to_owned(), fd, left: size })
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).map_or(buf.len(), |left| buf.len().min(left));
        let Some(buf) = buf.get_mut(..want).filter(|buf| !buf.is_empty()) else { return Ok(0) };
        let got = loop {
            match rustix::io::read(&self.fd, &mut *buf) {
                Err(Errno::INTR) => {}
                Err(e) => {
                    let why = format!("can't be read: {}", io::Error::from(e));
                    return Err(bad(&self.name, why));
                }
                Ok(0) => return Err(bad(&self.name, "was cut short just now")),
                Ok(got) => break got,
            }
        };
        self.left -= got as u64;
        Ok(got)
    }
}

fn bad(name: &[u8], why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("its file \"{}\" {why}", name.escape_ascii()))
}
