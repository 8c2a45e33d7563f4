//! Making a layer of an archive whose digest nobody knows beforehand: what is
//! imported, and what a container has changed.

use std::io::Read;

use graphdriver_api::{
    Applied, Base, DraftId, DraftSpec, ErrorKind, GraphDriver, LayerId, NodeRef,
};

use super::digest::{Algorithm, ChainId, Digest};
use super::lease::Lease;
use super::limits::not_unpacked;
use super::load::make::layer_id;
use super::load::stream::{self, Algorithms, Cancel, StreamError, Streamed};
use super::outline::file::{How, Outlines, Pending, Written};
use super::progress::{Event, Progress, Stage};
use crate::archive::Problem;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::store::layers::LayerRow;

/// An archive on its way.
pub(crate) struct Incoming<'a, R> {
    pub(crate) reader: R,
    /// What messages call it.
    pub(crate) name: &'a str,
    /// Its length as far as it is known, for who watches.
    pub(crate) len: u64,
    /// Whether it may bring a path more than once. It can't be read again to
    /// make another outline then, so one of every byte is made in any case, and
    /// thrown away if it isn't needed.
    pub(crate) strange: bool,
}

/// A layer that was made and isn't recorded.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) diff_id: Digest,
    pub(crate) row: LayerRow,
}

/// Unpacks an archive over `parent`, as the first draft of `lease`, and makes
/// it a layer. On a failure nothing is left.
pub(crate) fn make(
    engine: &Engine,
    lease: &Lease,
    parent: Option<&ChainId>,
    incoming: Incoming<'_, impl Read + Send>,
    progress: &dyn Progress,
) -> Result<Made> {
    let draft = lease.draft(0)?;
    let made = prepare(engine, &draft, parent)
        .and_then(|()| unpack(engine, &draft, incoming, progress))
        .and_then(|unpacked| commit(engine, &draft, parent, unpacked));
    if made.is_err()
        && let Err(e) = engine.driver().remove(NodeRef::Draft(&draft))
    {
        tracing::debug!("left for the clean-up: {}", e.report());
    }
    made
}

struct Unpacked {
    diff_id: Digest,
    size: u64,
    outline: Written,
}

fn prepare(engine: &Engine, draft: &DraftId, parent: Option<&ChainId>) -> Result<()> {
    let parent = parent.map(layer_id).transpose()?;
    Ok(prepare_on(engine.driver(), draft, parent.as_ref())?)
}

/// A draft that is thrown away unless it becomes a layer: a load that a power cut
/// broke off begins again.
pub(crate) const UNTIL_COMMIT: DraftSpec = DraftSpec { quota: None, volatile: true };

/// Makes a draft on a layer, or on nothing, that will become a layer.
pub(crate) fn prepare_on(
    driver: &dyn GraphDriver,
    draft: &DraftId,
    layer: Option<&LayerId>,
) -> graphdriver_api::Result<()> {
    driver.prepare(draft, layer.map_or(Base::Scratch, Base::Layer), &UNTIL_COMMIT)
}

fn unpack(
    engine: &Engine,
    draft: &DraftId,
    incoming: Incoming<'_, impl Read + Send>,
    progress: &dyn Progress,
) -> Result<Unpacked> {
    let Incoming { reader, name, len, strange } = incoming;
    let outlines = Outlines::of(engine.store());
    let mut outline = outlines.begin(draft.as_str(), How::ByReference)?;
    let mut spare = match strange {
        true => Some(outlines.begin(&format!("{}-all", draft.as_str()), How::Verbatim)?),
        false => None,
    };
    progress.event(Event::Layer { name, stage: Stage::Begun(len) });
    let source = stream::Source {
        reader,
        compression: None,
        decoding: engine.limits().decoding,
        algorithms: Algorithms { blob: Algorithm::Sha256, diff_id: Algorithm::Sha256 },
        cancel: &Cancel::new(false),
        progress: &|read| progress.event(Event::Layer { name, stage: Stage::Read(read) }),
        tap: &mut |chunk| {
            outline.push(chunk);
            spare.iter_mut().for_each(|spare| spare.push(chunk));
        },
    };
    let (applied, streamed) = stream::through(source, |tar| {
        let applied = engine.driver().apply(draft, tar, &engine.limits().layer);
        applied.and_then(|applied| stream::drain(tar).map(|()| applied))
    });
    let (applied, streamed) = judge(name, applied, streamed)?;
    let outline = if applied.replaced == 0 { Some(outline) } else { spare };
    let outline = outline.ok_or_else(|| twice(name)).and_then(Pending::finish)?;
    Ok(Unpacked { diff_id: streamed.diff_id, size: applied.bytes, outline })
}

fn twice(name: &str) -> Error {
    Problem::new("it brings a file more than once").in_archive(name)
}

fn judge(
    name: &str,
    applied: graphdriver_api::Result<Applied>,
    streamed: Result<Streamed, StreamError>,
) -> Result<(Applied, Streamed)> {
    let bad = |problem: Problem| problem.in_archive(name);
    match (applied, streamed) {
        (Ok(applied), Ok(streamed)) => Ok((applied, streamed)),
        (_, Err(StreamError::Bad(problem))) => Err(bad(problem)),
        (Err(e), _) if e.kind() == ErrorKind::BadDiff => Err(bad(not_unpacked(e))),
        (Err(e), _) => Err(e.into()),
        (Ok(_), Err(StreamError::Stopped)) => Err(bad(Problem::new("it broke off"))),
    }
}

fn commit(
    engine: &Engine,
    draft: &DraftId,
    parent: Option<&ChainId>,
    unpacked: Unpacked,
) -> Result<Made> {
    let Unpacked { diff_id, size, outline } = unpacked;
    let chain = ChainId::on(parent, &diff_id);
    outline.publish(chain.hex())?;
    match engine.driver().commit(draft, &layer_id(&chain)?, None) {
        // Another process was faster. Its layer is as good.
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            engine.driver().remove(NodeRef::Draft(draft))?;
        }
        result => result?,
    }
    Outlines::of(engine.store()).flush(chain.hex())?;
    let row = LayerRow {
        chain_id: chain.hex().to_owned(),
        diff_id: diff_id.to_string(),
        parent: parent.map(|p| p.hex().to_owned()),
        size,
    };
    Ok(Made { diff_id, row })
}
