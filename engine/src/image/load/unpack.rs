//! One layer: from its archive to a draft whose content is verified.

use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::Ordering;

use graphdriver_api::{Base, DraftId, ErrorKind, GraphDriver};

use super::stream::{self, Algorithms, Cancel, StreamError, Streamed};
use crate::archive::{Compression, Decoding, LayerFile, Problem, wrong_digest};
use crate::image::UNTIL_COMMIT;
use crate::image::digest::Hasher;
use crate::image::limits::{Limits, not_unpacked};
use crate::image::outline::file::{How, Outlines, Written};
use crate::image::progress::{Event, Progress, Stage};

/// Why a layer wasn't unpacked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The archive is damaged or hostile.
    Bad(Problem),
    /// The driver failed.
    Driver(graphdriver_api::Error),
    /// Its archive refers to what is beneath it, and the draft has no base yet.
    NeedsParent(graphdriver_api::Error),
    /// Something else failed.
    Other(crate::error::Error),
    /// Another layer failed.
    Stopped,
}

impl From<graphdriver_api::Error> for Failure {
    fn from(error: graphdriver_api::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<crate::error::Error> for Failure {
    fn from(error: crate::error::Error) -> Self {
        Self::Other(error)
    }
}

/// A layer in a draft.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// Bytes of file content.
    pub(crate) size: u64,
    /// What gives its archive back.
    pub(crate) outline: Written,
}

/// Prepares `draft` on `base`, unpacks `file` over it, checks both digests and
/// makes the outline. On a failure the draft may be there; the caller removes
/// it.
pub(crate) fn unpack(
    driver: &dyn GraphDriver,
    outlines: &Outlines,
    (draft, base): (&DraftId, Base<'_>),
    file: &LayerFile,
    limits: &Limits,
    cancel: &Cancel,
    progress: &dyn Progress,
) -> Result<Unpacked, Failure> {
    driver.prepare(draft, base, &UNTIL_COMMIT)?;
    Event::layer(&file.diff_id, Stage::Begun(file.bytes.len()), progress);
    let mut outline = outlines.begin(draft.as_str(), How::ByReference)?;
    let read = |read| Event::layer(&file.diff_id, Stage::Read(read), progress);
    let (applied, streamed) = stream::through(
        source(file, limits.decoding, cancel, &read, &mut |chunk| outline.push(chunk)),
        |tar| {
            let applied = driver.apply(draft, tar, &limits.layer);
            applied.and_then(|applied| stream::drain(tar).map(|()| applied))
        },
    );
    let applied = judge(file, cancel, applied, streamed)?;
    let outline = match applied.replaced {
        0 => outline.finish()?,
        _ => {
            drop(outline);
            verbatim(outlines, draft, file, limits.decoding, cancel)?
        }
    };
    Event::layer(&file.diff_id, Stage::Unpacked, progress);
    Ok(Unpacked { size: applied.bytes, outline })
}

fn source<'a>(
    file: &LayerFile,
    decoding: Decoding,
    cancel: &'a Cancel,
    progress: &'a (dyn Fn(u64) + Sync),
    tap: &'a mut (dyn FnMut(&[u8]) + Send),
) -> stream::Source<'a, Box<dyn Read + Send>> {
    stream::Source {
        reader: file.bytes.reader(),
        compression: file.compression,
        decoding,
        algorithms: Algorithms {
            blob: file.blob.as_ref().unwrap_or(&file.diff_id).algorithm(),
            diff_id: file.diff_id.algorithm(),
        },
        cancel,
        progress,
        tap,
    }
}

/// The outline of an archive that has undone what it brought: some of its bytes
/// aren't in the tree, so all of them are kept. Reads the archive once more.
fn verbatim(
    outlines: &Outlines,
    draft: &DraftId,
    file: &LayerFile,
    limits: Decoding,
    cancel: &Cancel,
) -> Result<Written, Failure> {
    let mut outline = outlines.begin(draft.as_str(), How::Verbatim)?;
    let (read, streamed) = stream::through(
        source(file, limits, cancel, &|_| (), &mut |chunk| outline.push(chunk)),
        |tar| stream::drain(tar),
    );
    judge(file, cancel, read, streamed)?;
    Ok(outline.finish()?)
}

/// The first cause: a stream that broke off makes the driver fail as well, and
/// a driver that failed breaks the stream off.
fn judge<T>(
    file: &LayerFile,
    cancel: &Cancel,
    applied: graphdriver_api::Result<T>,
    streamed: Result<Streamed, StreamError>,
) -> Result<T, Failure> {
    match (applied, streamed) {
        (Ok(applied), Ok(streamed)) => {
            check(file, &streamed).map(|()| applied).map_err(Failure::Bad)
        }
        (_, Err(StreamError::Bad(problem))) => Err(blame(file, problem)),
        _ if cancel.load(Ordering::Relaxed) => Err(Failure::Stopped),
        (Err(e), _) if e.kind() == ErrorKind::NeedsParent => Err(Failure::NeedsParent(e)),
        (Err(e), _) if e.kind() == ErrorKind::BadDiff => Err(blame(file, not_unpacked(e))),
        (Err(e), _) => Err(Failure::Driver(e)),
        (Ok(_), Err(StreamError::Stopped)) => Err(Failure::Stopped),
    }
}

fn check(file: &LayerFile, streamed: &Streamed) -> Result<(), Problem> {
    match &file.blob {
        Some(blob) if *blob != streamed.blob => {
            return Err(wrong_digest(&file.name, blob, &streamed.blob));
        }
        _ => {}
    }
    if file.diff_id != streamed.diff_id {
        let what = format!("{} without compression", file.name);
        return Err(wrong_digest(&what, &file.diff_id, &streamed.diff_id));
    }
    Ok(())
}

/// A file that isn't what its digest names is simply damaged, whatever became
/// of it on the way: that is a better answer than what a decompressor or a
/// driver made of the damage.
fn blame(file: &LayerFile, problem: Problem) -> Failure {
    Failure::Bad(damage(file).unwrap_or_else(|| problem.of(&file.name)))
}

/// Whether the file as it lies in the archive is what its digest says; `None`
/// if it is, or if nothing says what it should be.
fn damage(file: &LayerFile) -> Option<Problem> {
    let mut reader = BufReader::with_capacity(256 << 10, file.bytes.reader());
    let found = reader.fill_buf().ok().and_then(|start| Compression::of(start).ok())?;
    let unpacked = (found == Compression::None).then_some(&file.diff_id);
    let expected = file.blob.as_ref().or(unpacked)?;
    let mut hasher = Hasher::new(expected.algorithm());
    loop {
        match reader.fill_buf() {
            Ok([]) => break,
            Ok(bytes) => hasher.update(bytes),
            Err(e) => return Some(Problem::because("it can't be read", e).of(&file.name)),
        }
        let passed = reader.buffer().len();
        reader.consume(passed);
    }
    let found = hasher.finish();
    (found != *expected).then(|| wrong_digest(&file.name, expected, &found))
}
