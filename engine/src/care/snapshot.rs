//! All rows of a database at one moment, read without opening the store.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row};
use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::store::{DATABASE, schema};

/// A layer's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) diff_id: String,
    pub(super) parent: Option<String>,
    /// Content and inodes as they were counted.
    pub(super) counted: Option<(u64, u64)>,
}

/// An image's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageRow {
    pub(super) config: Vec<u8>,
    pub(super) top: Option<String>,
}

/// A container's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContainerRow {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) base: Option<String>,
    pub(super) record: String,
    /// Its end isn't noted: it runs, or was made or removed by who died.
    pub(super) unfinished: bool,
}

/// Every row.
#[derive(Debug, Default, Clone)]
pub(super) struct Snapshot {
    pub(super) layers: BTreeMap<String, Layer>,
    pub(super) images: BTreeMap<String, ImageRow>,
    /// Familiar name and image.
    pub(super) tags: Vec<(String, String, String)>,
    pub(super) digests: Vec<(String, String, String)>,
    pub(super) manifests: Vec<(String, String)>,
    pub(super) containers: BTreeMap<String, ContainerRow>,
    pub(super) unfinished: BTreeSet<String>,
    pub(super) format: i64,
}

/// The database, opened for looking.
pub(super) struct Database(Connection);

impl Database {
    /// `None` if there is none, or an empty one.
    ///
    /// # Errors
    /// [`Error::NewerFormat`]; [`Error::Database`] for one that can't be read.
    pub(super) fn open(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(DATABASE);
        if !path.try_exists().map_err(|e| Error::io("look at", &path, e))? {
            return Ok(None);
        }
        let connection = open(dir, &path)?;
        connection.busy_timeout(crate::store::BUSY)?;
        match schema::found(&connection, &path)? {
            0 => Ok(None),
            _ => Ok(Some(Self(connection))),
        }
    }

    /// What SQLite itself finds wrong: damaged pages, indexes that don't fit.
    pub(super) fn damage(&self) -> Result<Vec<String>> {
        let mut statement = self.0.prepare("PRAGMA integrity_check(20)")?;
        let rows = statement.query_map((), |r| r.get::<_, String>(0))?;
        let lines: Vec<String> = rows.collect::<rusqlite::Result<_>>()?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// Every row, as of one moment.
    pub(super) fn read(&self) -> Result<Snapshot> {
        let c = self.0.unchecked_transaction()?;
        let format = c.pragma_query_value(None, "user_version", |r| r.get(0))?;
        Ok(Snapshot {
            layers: layers(&c, format)?,
            images: rows(&c, "SELECT id, config, top FROM image", |r| {
                Ok((r.get(0)?, ImageRow { config: r.get(1)?, top: r.get(2)? }))
            })?,
            tags: rows(&c, "SELECT repository, tag, image FROM tag", three)?,
            digests: rows(&c, "SELECT repository, digest, image FROM repo_digest", three)?,
            manifests: rows(&c, "SELECT digest, image FROM manifest", |r| {
                Ok((r.get(0)?, r.get(1)?))
            })?,
            containers: containers(&c)?,
            unfinished: rows(&c, "SELECT token FROM unfinished", |r| r.get(0))?,
            format,
        })
    }

    /// The connection, for reading what copies are compared with.
    pub(super) fn connection(&self) -> &Connection {
        &self.0
    }
}

/// Opens it for reading. Readers share an index of the journal with writers;
/// where that can't be written there are no writers, and a copy will do.
fn open(dir: &Path, path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match access(dir, Access::WRITE_OK) {
        Ok(()) => Ok(Connection::open_with_flags(path, flags)?),
        Err(Errno::ROFS | Errno::ACCESS) => copied(dir),
        Err(e) => Err(Error::io("look at", dir, e)),
    }
}

fn copied(dir: &Path) -> Result<Connection> {
    let copy = tempfile::tempdir().map_err(|e| Error::io("copy the database of", dir, e))?;
    for name in [DATABASE, "metadata.db-wal"] {
        match fs::copy(dir.join(name), copy.path().join(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("copy", dir.join(name), e));
            }
            _ => {}
        }
    }
    let connection = Connection::open(copy.path().join(DATABASE))?;
    // Its files are open, and go with it.
    connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_master; COMMIT;")?;
    Ok(connection)
}

fn rows<T, C: FromIterator<T>>(
    c: &Connection,
    query: &str,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<C> {
    let mut statement = c.prepare(query)?;
    let rows = statement.query_map((), read)?;
    Ok(rows.collect::<rusqlite::Result<C>>()?)
}

fn three(r: &Row<'_>) -> rusqlite::Result<(String, String, String)> {
    Ok((r.get(0)?, r.get(1)?, r.get(2)?))
}

fn layers(c: &Connection, format: i64) -> Result<BTreeMap<String, Layer>> {
    let query = match format {
        1 => "SELECT chain_id, diff_id, parent, NULL, NULL FROM layer",
        _ => "SELECT chain_id, diff_id, parent, content, inodes FROM layer",
    };
    rows(c, query, |r| {
        let number = |n: usize| -> rusqlite::Result<Option<u64>> {
            Ok(r.get::<_, Option<i64>>(n)?.and_then(|v| u64::try_from(v).ok()))
        };
        let counted = number(3)?.zip(number(4)?);
        Ok((r.get(0)?, Layer { diff_id: r.get(1)?, parent: r.get(2)?, counted }))
    })
}

fn containers(c: &Connection) -> Result<BTreeMap<String, ContainerRow>> {
    rows(c, "SELECT id, name, image, base, record, state = 'running' FROM container", |r| {
        let row = ContainerRow {
            name: r.get(1)?,
            image: r.get(2)?,
            base: r.get(3)?,
            record: r.get(4)?,
            unfinished: r.get(5)?,
        };
        Ok((r.get(0)?, row))
    })
}
