//! One layer's archive on its way from the image archive into a draft.
//!
//! One thread reads, takes digests and decompresses; the other, the caller's,
//! applies. A few chunks lie between them, so that both always have work and
//! memory stays bounded.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use graphdriver_api::Op;

use crate::archive::{Compression, Decoding, MAGIC_LEN, Problem};
use crate::image::digest::{Algorithm, Digest, Hasher};

/// Bytes that go from one thread to the other at once.
const CHUNK: usize = 256 << 10;

/// Chunks that may lie between the threads.
const QUEUE: usize = 4;

/// Whether the work as a whole has failed elsewhere, so that going on is of no
/// use.
pub(crate) type Cancel = AtomicBool;

/// Why a layer's bytes didn't arrive.
#[derive(Debug)]
pub(crate) enum StreamError {
    /// The archive is damaged.
    Bad(Problem),
    /// Another layer failed, or the one who applies has stopped reading.
    Stopped,
}

/// What a stream turned out to be.
#[derive(Debug)]
pub(crate) struct Streamed {
    /// The digest of the bytes as they lie in the archive.
    pub(crate) blob: Digest,
    /// The digest without compression.
    pub(crate) diff_id: Digest,
}

/// What is to be streamed, and how.
pub(crate) struct Source<'a, R> {
    pub(crate) reader: R,
    /// As it was declared; `None` leaves it to the bytes.
    pub(crate) compression: Option<Compression>,
    /// What decompressing may cost.
    pub(crate) decoding: Decoding,
    /// The hash function of each digest.
    pub(crate) algorithms: Algorithms,
    pub(crate) cancel: &'a Cancel,
    /// Is told how many bytes have been read.
    pub(crate) progress: &'a (dyn Fn(u64) + Sync),
    /// Sees the uncompressed bytes, in order.
    pub(crate) tap: &'a mut (dyn FnMut(&[u8]) + Send),
}

/// The hash function for the bytes as they are, and for those within.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Algorithms {
    pub(crate) blob: Algorithm,
    pub(crate) diff_id: Algorithm,
}

/// Runs `apply` on the uncompressed bytes of `source`, and tells what they were
/// if it has read them to the end.
///
/// If the stream fails, then reading it does, and so most likely `apply`: the
/// stream's failure is the reason then.
pub(crate) fn through<T, R: Read + Send>(
    source: Source<'_, R>,
    apply: impl FnOnce(&mut dyn Read) -> T,
) -> (T, Result<Streamed, StreamError>) {
    let (sender, receiver) = sync_channel(QUEUE);
    let (spent, empties) = sync_channel(QUEUE + 2);
    thread::scope(|scope| {
        let producer = scope.spawn(move || produce(source, &Chunks { sender, empties }));
        let mut reader =
            ChunkReader { receiver, spent, chunk: Vec::new(), position: 0, ended: false };
        let result = apply(&mut reader);
        // Dropping the reader ends a producer that is still at work.
        drop(reader);
        let streamed = producer.join().unwrap_or(Err(StreamError::Stopped));
        (result, streamed)
    })
}

/// Reads on to the end: whatever a driver might leave unread is part of the
/// digests.
pub(crate) fn drain(rest: &mut dyn Read) -> graphdriver_api::Result<()> {
    io::copy(rest, &mut io::sink())
        .map(drop)
        .map_err(|e| graphdriver_api::Error::io(Op::Apply, "read the archive's end", e))
}

fn produce<R: Read + Send>(
    source: Source<'_, R>,
    chunks: &Chunks,
) -> Result<Streamed, StreamError> {
    let result = pump(source, chunks);
    // Without this the other side would take the missing rest for the end.
    let last = if result.is_ok() { Message::End } else { Message::Broken };
    match chunks.sender.send(last) {
        Ok(()) => result,
        Err(_) => result.and(Err(StreamError::Stopped)),
    }
}

fn pump<R: Read + Send>(source: Source<'_, R>, chunks: &Chunks) -> Result<Streamed, StreamError> {
    let Source { reader, compression, decoding, algorithms, cancel, progress, tap } = source;
    let hashing = Hashing::new(reader, algorithms.blob, progress);
    let mut buffered = BufReader::with_capacity(CHUNK, hashing);
    let kind = recognise(&mut buffered, compression).map_err(StreamError::Bad)?;
    // Bytes that aren't compressed have one digest, which is taken once.
    let own_digest = kind != Compression::None || algorithms.blob != algorithms.diff_id;
    let mut diff = own_digest.then(|| Hasher::new(algorithms.diff_id));
    let broken = |e| StreamError::Bad(Problem::because("its bytes can't be read", e));
    {
        let mut decoder = kind.decode(&mut buffered, decoding).map_err(broken)?;
        while let Some(chunk) = fill(&mut decoder, chunks.empty()).map_err(broken)? {
            if cancel.load(Ordering::Relaxed) {
                return Err(StreamError::Stopped);
            }
            if let Some(diff) = &mut diff {
                diff.update(&chunk);
            }
            tap(&chunk);
            chunks.sender.send(Message::Chunk(chunk)).map_err(|_| StreamError::Stopped)?;
        }
    }
    // The decoders stop only at the end; this makes sure of it.
    io::copy(&mut buffered, &mut io::sink()).map_err(broken)?;
    let blob = buffered.into_inner().finish();
    let diff_id = diff.map_or_else(|| blob.clone(), Hasher::finish);
    Ok(Streamed { blob, diff_id })
}

/// What the bytes are compressed with, which must be what was declared.
fn recognise(
    source: &mut impl BufRead,
    declared: Option<Compression>,
) -> Result<Compression, Problem> {
    // One fill is enough: the buffer asks for far more than the few bytes, and
    // a file gives them. A pipe may give fewer only if it ends there.
    let start = source.fill_buf().map_err(|e| Problem::because("it can't be read", e))?;
    let found = Compression::of(start.get(..MAGIC_LEN).unwrap_or(start))?;
    match declared {
        Some(declared) if declared != found => {
            Err(Problem::new(format!("it is declared to be {declared}, and is {found}")))
        }
        _ => Ok(found),
    }
}

/// Fills a buffer as far as the source allows; `None` at the end.
fn fill(source: &mut dyn Read, mut buffer: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    // Costs nothing for a buffer that was full before.
    buffer.resize(CHUNK, 0);
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    buffer.truncate(filled);
    Ok((filled > 0).then_some(buffer))
}

/// Takes a digest of what passes, and tells how much it was.
struct Hashing<'a, R> {
    reader: R,
    hasher: Hasher,
    passed: u64,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl<'a, R: Read> Hashing<'a, R> {
    fn new(reader: R, algorithm: Algorithm, progress: &'a (dyn Fn(u64) + Sync)) -> Self {
        Self { reader, hasher: Hasher::new(algorithm), passed: 0, progress }
    }

    fn finish(self) -> Digest {
        self.hasher.finish()
    }
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(buf)?;
        self.hasher.update(buf.get(..got).unwrap_or_default());
        self.passed += got as u64;
        (self.progress)(self.passed);
        Ok(got)
    }
}

enum Message {
    Chunk(Vec<u8>),
    End,
    /// There should be more.
    Broken,
}

/// The producer's side: chunks out, used buffers back.
struct Chunks {
    sender: SyncSender<Message>,
    empties: Receiver<Vec<u8>>,
}

impl Chunks {
    fn empty(&self) -> Vec<u8> {
        self.empties.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK))
    }
}

/// The side of the one who applies.
struct ChunkReader {
    receiver: Receiver<Message>,
    spent: SyncSender<Vec<u8>>,
    chunk: Vec<u8>,
    position: usize,
    ended: bool,
}

impl ChunkReader {
    /// Waits for the next chunk; `false` at the end.
    fn next(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        match self.receiver.recv() {
            Ok(Message::Chunk(chunk)) => {
                let used = std::mem::replace(&mut self.chunk, chunk);
                self.position = 0;
                // A full queue of empties, or a producer that has ended, only
                // means that this one isn't needed.
                drop(self.spent.try_send(used));
                Ok(true)
            }
            Ok(Message::End) => {
                self.ended = true;
                Ok(false)
            }
            Ok(Message::Broken) | Err(_) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the layer's bytes are broken off"))
            }
        }
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.position == self.chunk.len() {
            if !self.next()? {
                return Ok(0);
            }
        }
        let rest = self.chunk.get(self.position..).unwrap_or_default();
        let got = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..got), rest.get(..got)) {
            to.copy_from_slice(from);
        }
        self.position += got;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    /// Longer than all chunks that can lie between the threads.
    fn content() -> Vec<u8> {
        (0..CHUNK * (QUEUE + 4) + 7).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn source(bytes: &[u8], cancel: &'static Cancel) -> Source<'static, Cursor<Vec<u8>>> {
        let tap = Box::leak(Box::new(|_: &[u8]| ()));
        Source {
            tap,
            reader: Cursor::new(bytes.to_vec()),
            compression: None,
            decoding: Decoding::default(),
            algorithms: Algorithms { blob: Algorithm::Sha256, diff_id: Algorithm::Sha256 },
            cancel,
            progress: &|_| (),
        }
    }

    fn read_all(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| bytes)
    }

    static GO: Cancel = Cancel::new(false);

    #[test]
    fn every_byte_arrives_and_is_in_both_digests() {
        let content = content();
        for packed in [content.clone(), gzip(&content), zstd::encode_all(&content[..], 1).unwrap()]
        {
            let (read, streamed) = through(source(&packed, &GO), read_all);
            assert!(read.unwrap() == content);
            let streamed = streamed.unwrap();
            assert_eq!(streamed.blob, Digest::of(&packed));
            assert_eq!(streamed.diff_id, Digest::of(&content));
        }
    }

    /// A layer without compression that a sha512 digest names.
    #[test]
    fn each_digest_has_its_own_hash_function() {
        let mut source = source(b"abc", &GO);
        source.algorithms.blob = Algorithm::Sha512;
        let streamed = through(source, read_all).1.unwrap();
        assert_eq!(streamed.blob.algorithm(), Algorithm::Sha512);
        assert_eq!(streamed.diff_id, Digest::of(b"abc"));
    }

    #[test]
    fn a_stream_that_breaks_off_never_looks_like_one_that_ends() {
        let whole = gzip(&content());
        let (read, streamed) = through(source(&whole[..whole.len() / 2], &GO), read_all);
        assert!(read.is_err());
        assert!(matches!(streamed, Err(StreamError::Bad(_))));
    }

    #[test]
    fn whoever_stops_reading_stops_the_stream() {
        let (first, streamed) = through(source(&content(), &GO), |reader| {
            let mut one = [0];
            reader.read_exact(&mut one).map(|()| one)
        });
        assert_eq!(first.unwrap(), [0]);
        assert!(matches!(streamed, Err(StreamError::Stopped)));
    }

    #[test]
    fn a_cancelled_stream_is_broken_off() {
        static STOP: Cancel = Cancel::new(true);
        let (read, streamed) = through(source(&content(), &STOP), read_all);
        assert!(read.is_err());
        assert!(matches!(streamed, Err(StreamError::Stopped)));
    }
}
