//! Where an image's files come from: a folder, a tar file as it is, or a
//! stream or compressed tar that is first unpacked into a temporary file.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use tar::Header;

use super::compression::{Compression, Decoding, MAGIC_LEN};
use super::folder::Folder;
use super::member::Member;
use super::problem::{Problem, Result};
use super::tar_index::{TarIndex, has_good_checksum};
use crate::fault;
use crate::image::{Documents, Limits};

/// Bytes that are read and written at once.
const CHUNK: usize = 256 << 10;

/// An archive's files, by name.
#[derive(Debug)]
pub(crate) struct Source {
    files: Files,
    /// Bytes of documents that were read.
    read: Cell<u64>,
    /// How many may be.
    documents: Documents,
}

#[derive(Debug)]
enum Files {
    Tar(TarIndex),
    Folder(Folder),
}

impl Source {
    /// Recognises what `file` is. What can't be read at any position (a pipe,
    /// a compressed archive) is unpacked into a file in `spool` that has no
    /// name and so never outlives the process. `passed` is told how many bytes
    /// of it have been written.
    pub(crate) fn open(
        mut file: File,
        spool: &Path,
        limits: &Limits,
        passed: &dyn Fn(u64),
    ) -> Result<Self> {
        let kind = file.metadata()?.file_type();
        if kind.is_dir() {
            return Ok(Self::of(Files::Folder(Folder::new(file)), limits));
        }
        // Standard input may be a file that another has read part of.
        let start = if kind.is_file() { file.stream_position()? } else { 0 };
        let magic = peek(&mut file)?;
        let compression = Compression::of(&magic)?;
        let (file, start) = if kind.is_file() && compression == Compression::None {
            (file, start)
        } else {
            (unpack(magic, file, (compression, limits.decoding), spool, passed)?, 0)
        };
        check_is_tar(&file, start)?;
        Ok(Self::of(Files::Tar(TarIndex::new(Arc::new(file), start)?), limits))
    }

    fn of(files: Files, limits: &Limits) -> Self {
        Self { files, read: Cell::new(0), documents: limits.documents }
    }

    /// The file called `name`; `None` if there is none.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Member>> {
        match &self.files {
            Files::Tar(index) => index.open(name),
            Files::Folder(folder) => folder.open(name),
        }
    }

    /// The file called `name`, which the archive itself says is there.
    pub(crate) fn require(&self, name: &str) -> Result<Member> {
        self.find(name)?
            .ok_or_else(|| Problem::new(format!("{name:?}, which it refers to, isn't in it")))
    }

    /// The whole of a document that is called `name`.
    pub(crate) fn document(&self, name: &str) -> Result<Vec<u8>> {
        self.read_document(name, &self.require(name)?)
    }

    /// The whole of a document that may not be there.
    pub(crate) fn find_document(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.find(name)?.map(|member| self.read_document(name, &member)).transpose()
    }

    fn read_document(&self, name: &str, member: &Member) -> Result<Vec<u8>> {
        let read = self.read.get().saturating_add(member.len());
        if read > self.documents.all() {
            let limit = self.documents.all();
            return Err(Problem::new(format!(
                "it has more than {limit} bytes of manifests (8 times limit manifest-bytes); --limit \
                 manifest-bytes=VALUE would allow more"
            )));
        }
        self.read.set(read);
        member.read_all(self.documents.bytes).map_err(|p| p.of(&name))
    }
}

/// The first bytes of `file`, fewer if it has fewer. They have been read then.
fn peek(file: &mut File) -> Result<Vec<u8>> {
    let mut start = Vec::with_capacity(MAGIC_LEN);
    file.take(MAGIC_LEN as u64).read_to_end(&mut start)?;
    if start.is_empty() {
        return Err(Problem::new("it is empty"));
    }
    Ok(start)
}

/// Writes what `start` and the rest of `file` hold, without compression, to a
/// file that has no name.
fn unpack(
    start: Vec<u8>,
    file: File,
    (compression, limits): (Compression, Decoding),
    spool: &Path,
    passed: &dyn Fn(u64),
) -> Result<File> {
    let unpack = |e| Problem::because("can't unpack it", e);
    let store = |e| Problem::because(format!("can't unpack it into {}", spool.display()), e);
    let mut out = tempfile::tempfile_in(spool).map_err(store)?;
    let source = BufReader::with_capacity(CHUNK, io::Cursor::new(start).chain(file));
    let mut reader = compression.decode(source, limits).map_err(unpack)?;
    let mut chunk = vec![0; CHUNK];
    let mut written = 0;
    loop {
        let got = match reader.read(&mut chunk) {
            Ok(0) => return Ok(out),
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(unpack(e)),
        };
        fault::point("load.spool.write").map_err(store)?;
        out.write_all(chunk.get(..got).unwrap_or_default()).map_err(store)?;
        written += got as u64;
        passed(written);
    }
}

/// A tar archive begins with a header whose checksum is right.
fn check_is_tar(file: &File, start: u64) -> Result<()> {
    let mut header = Header::new_old();
    let is_tar = match file.read_exact_at(header.as_mut_bytes(), start) {
        Ok(()) => has_good_checksum(&header),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(e) => return Err(e.into()),
    };
    if is_tar {
        return Ok(());
    }
    Err(Problem::new(
        "it isn't an image archive: neither a tar archive (as it is, or compressed with gzip, \
         zstd or xz) nor a folder",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar() -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(5);
        tar.append_data(&mut header, "name", &b"hello"[..]).unwrap();
        tar.into_inner().unwrap()
    }

    fn hello(file: File) -> Result<Vec<u8>> {
        let spool = tempfile::tempdir().unwrap();
        let source = Source::open(file, spool.path(), &Limits::default(), &|_| ())?;
        assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0, "the spool has no name");
        source.require("name")?.read_all(10)
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    fn pipe(bytes: Vec<u8>) -> File {
        let (reader, mut writer) = io::pipe().unwrap();
        std::thread::spawn(move || writer.write_all(&bytes));
        File::from(std::os::fd::OwnedFd::from(reader))
    }

    #[test]
    fn files_and_pipes_of_every_compression_are_read() {
        let gz = {
            let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            e.write_all(&tar()).unwrap();
            e.finish().unwrap()
        };
        for bytes in [tar(), gz, zstd::encode_all(&tar()[..], 1).unwrap()] {
            assert_eq!(hello(file(&bytes)).unwrap(), b"hello");
            assert_eq!(hello(pipe(bytes)).unwrap(), b"hello");
        }
    }

    #[test]
    fn a_file_is_read_from_where_it_stands() {
        let mut file = file(&[&b"before"[..], &tar()].concat());
        file.seek(io::SeekFrom::Start(6)).unwrap();
        assert_eq!(hello(file).unwrap(), b"hello");
    }

    #[test]
    fn what_is_no_archive_is_named() {
        for (bytes, why) in [
            (&b""[..], "is empty"),
            (b"short", "isn't an image archive"),
            (&[b'x'; 4096], "isn't an image archive"),
            (&[0x1f, 0x8b, 8, 0], "can't unpack it"),
            (b"BZh9....", "bzip2"),
        ] {
            let error = hello(file(bytes)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
