//! Copies of the rows of images and containers, a file each, beside the
//! database: from them, and from what the driver has, a lost database is made
//! again.
//!
//! ```text
//! images/HEX.json        an image: configuration, names, manifests, layers
//! containers/ID.json     a container's row
//! containers/boot        the boot in which the copies of containers were written
//! pending/KIND-ID.new    a copy that is about to be put in place
//! pending/KIND-ID.gone   one that is about to be deleted
//! ```
//!
//! # Order
//!
//! Triggers note in `copy_due` what a transaction changes. Before it ends, each
//! copy is written into `pending` and flushed, or moved there; then the
//! transaction is committed; then the copies are put in place, or deleted. All
//! that happens under a lock (flock(2) on `pending`). So what lies in `pending`
//! while nobody holds the lock is of a process that died in between, and tells
//! which copies to write again from the rows.
//!
//! Copies of containers aren't flushed, as their rows aren't: after a power cut
//! either may be the older one. They are all written again by whoever first
//! opens the store after the host was started.

mod boot;
mod read;
mod record;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction};
use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;
use serde::Serialize;

use super::Durability;
use crate::error::{Error, Result};
use crate::fault;

pub(crate) use read::{
    Unreadable, if_whole, read_container, read_containers, read_image, read_images,
};
pub(crate) use record::{ContainerCopy, ImageCopy};

const PENDING: &str = "pending";

/// Has the copies of everything written at the end of the transaction.
pub(super) const ALL_DUE: &str = "INSERT OR IGNORE INTO copy_due SELECT 'image', id FROM image;
    INSERT OR IGNORE INTO copy_due SELECT 'container', id FROM container;";

/// Has one copy written. `name` is the id as file names have it.
pub(super) fn set_due(change: &Transaction<'_>, kind: Kind, name: &str) -> Result<()> {
    let id = match kind {
        Kind::Image => full_id(change, name)?.unwrap_or_else(|| name.to_owned()),
        Kind::Container => name.to_owned(),
    };
    change.execute("INSERT OR IGNORE INTO copy_due VALUES (?1, ?2)", (kind.as_str(), id))?;
    Ok(())
}

/// What a copy is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Image,
    Container,
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "image" => Some(Self::Image),
            "container" => Some(Self::Container),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Container => "container",
        }
    }

    /// The folder of the copies.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Image => "images",
            Self::Container => "containers",
        }
    }
}

/// Where the copy of an image or a container lies.
pub(crate) fn path_of(dir: &Path, kind: Kind, id: &str) -> PathBuf {
    dir.join(kind.folder()).join(format!("{}.json", stem(id)))
}

/// An image's id without its algorithm: hex digits make a file's name.
fn stem(id: &str) -> &str {
    id.split_once(':').map_or(id, |(_, hex)| hex)
}

/// The lock that whoever changes copies holds. It goes with its descriptor.
#[derive(Debug)]
pub(crate) struct Held(#[allow(dead_code, reason = "closing it releases the lock")] File);

/// Waits until nobody is changing copies, and keeps it so. Nothing is written
/// for it. `None` where there are none, in a store of an earlier format.
pub(crate) fn hold_still(dir: &Path) -> Result<Option<Held>> {
    match lock(dir, FlockOperation::LockShared) {
        Ok(held) => Ok(Some(held)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("lock", dir.join(PENDING), e)),
    }
}

fn lock(dir: &Path, how: FlockOperation) -> io::Result<Held> {
    let file = File::open(dir.join(PENDING))?;
    retry_on_intr(|| flock(&file, how))?;
    Ok(Held(file))
}

/// Makes the folders. They say that the store was founded, so this comes last.
pub(super) fn make_folders(dir: &Path) -> Result<()> {
    for name in [PENDING, Kind::Container.folder(), Kind::Image.folder()] {
        super::root::make_dir(&dir.join(name), 0o700)?;
    }
    super::root::sync(dir)
}

/// Whether the folders were ever made.
pub(crate) fn are_there(dir: &Path) -> Result<bool> {
    let path = dir.join(Kind::Image.folder());
    path.try_exists().map_err(|e| Error::io("look at", path, e))
}

/// Copies on their way: between the transaction's last statement and its end.
#[derive(Debug)]
#[must_use = "the copies are put in place by `finish`"]
pub(super) struct Prepared<'a> {
    dir: &'a Path,
    held: Option<Held>,
    due: Vec<Due>,
    durability: Durability,
}

#[derive(Debug)]
struct Due {
    kind: Kind,
    id: String,
    gone: bool,
}

impl Due {
    fn place(&self, dir: &Path) -> PathBuf {
        path_of(dir, self.kind, &self.id)
    }

    fn pending(&self, dir: &Path) -> PathBuf {
        let end = if self.gone { "gone" } else { "new" };
        let name = format!("{}-{}.{end}", self.kind.as_str(), stem(&self.id));
        dir.join(PENDING).join(name)
    }
}

/// Writes what the transaction changes into `pending`.
pub(super) fn prepare<'a>(
    dir: &'a Path,
    change: &Transaction<'_>,
    durability: Durability,
) -> Result<Prepared<'a>> {
    let mut prepared = Prepared { dir, held: None, due: Vec::new(), durability };
    let all = due(change)?;
    if all.is_empty() {
        return Ok(prepared);
    }
    let at = |e| Error::io("write copies of records in", dir, e);
    prepared.held = Some(lock(dir, FlockOperation::LockExclusive).map_err(at)?);
    for mut due in all {
        match write(dir, change, &due, durability)? {
            Row::Written => {}
            Row::Gone => {
                due.gone = true;
                rename_if_there(&due.place(dir), &due.pending(dir)).map_err(at)?;
            }
            Row::Damaged => continue,
        }
        prepared.due.push(due);
    }
    if durability == Durability::Full {
        sync_all(dir).map_err(at)?;
    }
    change.execute("DELETE FROM copy_due", ())?;
    Ok(prepared)
}

impl Prepared<'_> {
    /// The transaction has ended well. What can't be done now is done by
    /// whoever opens the store next.
    pub(super) fn finish(self) {
        for due in &self.due {
            let pending = due.pending(self.dir);
            let done = match due.gone {
                true => remove_if_there(&pending),
                false => fault::point("store.copy.rename")
                    .and_then(|()| fs::rename(pending, due.place(self.dir))),
            };
            if let Err(e) = done {
                tracing::debug!("the copy of {} isn't in its place yet: {e}", due.id);
            }
        }
        if !self.due.is_empty()
            && self.durability == Durability::Full
            && let Err(e) = sync_all(self.dir)
        {
            tracing::debug!("copies of records aren't flushed yet: {e}");
        }
    }
}

fn due(change: &Transaction<'_>) -> Result<Vec<Due>> {
    let mut statement = change.prepare_cached("SELECT kind, id FROM copy_due")?;
    let rows = statement.query_map((), |r| Ok((r.get::<_, String>(0)?, r.get(1)?)))?;
    let mut due = Vec::new();
    for row in rows {
        let (kind, id) = row?;
        due.extend(Kind::parse(&kind).map(|kind| Due { kind, id, gone: false }));
    }
    Ok(due)
}

/// What a row was when its copy was to be written.
enum Row {
    Written,
    /// There is none any more.
    Gone,
    /// It isn't what its id says: the copy that is there may be better.
    Damaged,
}

/// Writes a copy into `pending`.
fn write(dir: &Path, c: &Connection, due: &Due, durability: Durability) -> Result<Row> {
    let path = due.pending(dir);
    let flush = durability == Durability::Full;
    match due.kind {
        Kind::Image => match ImageCopy::read(c, &due.id)? {
            Some(copy) if !copy.is_of_its_id() => return Ok(Row::Damaged),
            Some(copy) => write_json(&path, &copy, flush)?,
            None => return Ok(Row::Gone),
        },
        Kind::Container => match ContainerCopy::read(c, &due.id)? {
            Some(copy) => write_json(&path, &copy, flush)?,
            None => return Ok(Row::Gone),
        },
    }
    Ok(Row::Written)
}

fn write_json(path: &Path, value: &impl Serialize, flush: bool) -> Result<()> {
    let attempt = || -> io::Result<()> {
        let bytes = serde_json::to_vec(value)?;
        fault::point("store.copy.write")?;
        let file = super::root::create_private(path)?;
        io::Write::write_all(&mut &file, &bytes)?;
        if flush { file.sync_all() } else { Ok(()) }
    };
    attempt().map_err(|e| Error::io("write", path, e))
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    fault::point("store.copy.set-aside")?;
    match fs::rename(from, to) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    fault::point("store.copy.remove")?;
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn sync_all(dir: &Path) -> io::Result<()> {
    for name in [PENDING, Kind::Image.folder()] {
        File::open(dir.join(name))?.sync_all()?;
    }
    Ok(())
}

/// What a process that died left in `pending`: kind and id, as file names have
/// it (an image's id without its algorithm).
pub(crate) fn left_pending(dir: &Path) -> Result<Vec<(Kind, String)>> {
    let path = dir.join(PENDING);
    let names = match names(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names.map_err(|e| Error::io("list", &path, e))?,
    };
    let mut left: Vec<_> = names.iter().filter_map(|name| parse_pending(name)).collect();
    left.sort();
    left.dedup();
    Ok(left)
}

fn parse_pending(name: &str) -> Option<(Kind, String)> {
    let (kind, rest) = name.split_once('-')?;
    let id = rest.strip_suffix(".new").or_else(|| rest.strip_suffix(".gone"))?;
    Some((Kind::parse(kind)?, id.to_owned()))
}

/// The names in a folder that are text; ours all are.
fn names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// The ids, as file names have them, of all copies of a kind.
pub(crate) fn all(dir: &Path, kind: Kind) -> Result<Vec<String>> {
    let path = dir.join(kind.folder());
    let names = match names(&path) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        names => names.map_err(|e| Error::io("list", &path, e))?,
    };
    Ok(names.iter().filter_map(|n| n.strip_suffix(".json").map(str::to_owned)).collect())
}

/// Finishes what a dead process began, and writes the copies of containers
/// again after the host was started anew. Called by who opens the store.
///
/// Cost: two small reads where there is nothing to do.
pub(super) fn recover(dir: &Path, connection: &mut Connection) -> Result<()> {
    let booted = boot::is_new(dir);
    if !booted && left_pending(dir)?.is_empty() {
        return Ok(());
    }
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    {
        let _held = lock(dir, FlockOperation::LockExclusive)
            .map_err(|e| Error::io("lock", dir.join(PENDING), e))?;
        for (kind, name) in left_pending(dir)? {
            write_again(dir, &change, kind, &name)?;
        }
        if booted {
            boot::refresh(dir, &change)?;
        }
    }
    Ok(change.commit()?)
}

/// Makes one copy what the rows say. `name` is the id as file names have it.
fn write_again(dir: &Path, c: &Connection, kind: Kind, name: &str) -> Result<()> {
    let id = match kind {
        Kind::Image => full_id(c, name)?.unwrap_or_else(|| name.to_owned()),
        Kind::Container => name.to_owned(),
    };
    let mut due = Due { kind, id, gone: false };
    let at = |e| Error::io("write copies of records in", dir, e);
    let place = due.place(dir);
    match write(dir, c, &due, Durability::Full)? {
        Row::Written => fs::rename(due.pending(dir), &place).map_err(at)?,
        Row::Gone => remove_if_there(&place).map_err(at)?,
        Row::Damaged => {}
    }
    for gone in [false, true] {
        due.gone = gone;
        remove_if_there(&due.pending(dir)).map_err(at)?;
    }
    sync_all(dir).map_err(at)
}

fn full_id(c: &Connection, hex: &str) -> Result<Option<String>> {
    let mut statement = c.prepare_cached("SELECT id FROM image WHERE id IN (?1, ?2)")?;
    let mut rows = statement.query([format!("sha256:{hex}"), format!("sha512:{hex}")])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}
