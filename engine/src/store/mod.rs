//! What the engine knows of one driver's layers: images, their names, and
//! containers, in an SQLite database that any number of processes share.
//!
//! # What may be relied on
//!
//! * A row in `layer` means that the driver has the layer, complete: rows are
//!   written after the driver's commit and removed before its removal.
//! * Layers without a row can exist: a load that is running, failed or was cut
//!   off leaves them. They are complete too (law 2 of the contract), and named
//!   after content that was verified before the commit, so a later load takes
//!   them as they are. `unfinished` says that there may be some; they are
//!   removed by whoever next holds the lock alone.
//! * Images are [durable](Durability::Full) once the call that made them has
//!   returned. Containers are durable in the sense that a power cut may undo
//!   the last of them, in order, but never leaves half of one.

pub(crate) mod copies;
pub(crate) mod images;
pub(crate) mod layers;
pub(crate) mod lock;
mod reserve;
pub(crate) mod root;
pub(crate) mod schema;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, MAIN_DB, Transaction, TransactionBehavior};

use crate::error::{Error, Result};
use crate::fault;
pub use root::Root;
pub(crate) use root::RootState;

/// The database's name in the store's folder.
pub(crate) const DATABASE: &str = "metadata.db";

/// How long a writer waits for another process's transaction. Transactions
/// hold no I/O but their own and end within milliseconds.
pub(crate) const BUSY: Duration = Duration::from_secs(20);

/// Pages in the journal before a commit folds it into the database: a quarter
/// of SQLite's default, because every opening of the store reads the journal.
const CHECKPOINT_PAGES: i64 = 256;

/// What must be on the medium when a transaction returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The transaction and all before it: one flush.
    Full,
    /// Nothing yet. A power cut may undo this transaction, after all those
    /// that came later; the database is consistent all the same.
    Later,
}

/// The records of one driver's images and containers.
///
/// Threads take turns with its one connection; processes each open their own.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    connection: Mutex<Connection>,
}

impl Store {
    /// Opens the store of `driver` in `root`, and makes it if it isn't there.
    ///
    /// Cost: below a millisecond for a store that is there.
    ///
    /// # Errors
    /// [`Error::NewerFormat`], [`Error::Corrupt`] (another program's
    /// database), [`Error::Database`], [`Error::Io`].
    pub fn open(root: &Root, driver: &str) -> Result<Self> {
        let dir = root.engine_dir(driver)?;
        let path = dir.join(DATABASE);
        // Looked for first: whoever founds a store makes its database before what
        // says that there is one, and may be at it now.
        let founded = was_founded(&dir)?;
        let is_there = path.try_exists().map_err(|e| Error::io("look at", &path, e))?;
        if founded && !is_there {
            return Err(lost(path));
        }
        let mut connection = Connection::open(&path)
            .map_err(|e| Error::io("open", &path, std::io::Error::other(e)))?;
        connection.busy_timeout(BUSY)?;
        match schema::found(&connection, &path)? {
            schema::FORMAT => {}
            0 if founded => return Err(lost(path)),
            _ => {
                let _alone = lock::Exclusive::wait(&dir)?;
                schema::upgrade(&mut connection)?;
                make_copies(&mut connection, &dir)?;
            }
        }
        configure(&connection)?;
        if !copies::are_there(&dir)? {
            make_copies(&mut connection, &dir)?;
        }
        if let Err(e) = copies::recover(&dir, &mut connection) {
            // A full or failing medium. What the copies lack, a check tells.
            tracing::warn!("{}", e.report());
        }
        reserve::keep(&dir);
        Ok(Self { dir, connection: Mutex::new(connection) })
    }

    /// The folder of this store: for records that aren't rows. `metadata.db*`,
    /// `lock`, `reserve` and the folders of copies are taken.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// To be called by who is about to remove something, before it is noted: on
    /// a full medium that takes room which is kept for it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn make_room_for_notes(&self) -> Result<()> {
        reserve::give_up_if_full(&self.dir).map_err(|e| Error::io("make room in", &self.dir, e))
    }

    /// Writes the copy of a record again; without a name, those of all.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Database`].
    pub(crate) fn write_copy(&self, kind: copies::Kind, name: &str) -> Result<()> {
        copies::make_folders(&self.dir)?;
        self.write(Durability::Full, |t| match name {
            "" => Ok(t.execute_batch(copies::ALL_DUE)?),
            _ => copies::set_due(t, kind, name),
        })
    }

    /// Folds the journal into the database, so that it takes no room.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub(crate) fn fold(&self) -> Result<()> {
        Ok(self.lock().query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?)
    }

    /// To be called when something was removed: the next one may need the room.
    pub(crate) fn keep_room_for_notes(&self) {
        reserve::keep(&self.dir);
    }

    /// Runs `work` on one consistent state of the database.
    ///
    /// # Errors
    /// [`Error::Database`], and what `work` returns.
    pub fn read<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.lock();
        let snapshot = connection.transaction().map_err(Error::from)?;
        work(&snapshot)
    }

    /// Runs `work` as one transaction, which is kept if it returns `Ok` and
    /// undone otherwise. Waits for other writers before it begins, so that
    /// `work` never fails halfway because of one.
    ///
    /// # Errors
    /// [`Error::Database`], and what `work` returns; nothing was changed then.
    pub fn write<T, E: From<Error>>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        write(&mut self.lock(), &self.dir, durability, work)
    }

    /// A thread that panicked can't have left a transaction: dropping it
    /// undoes it.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write<T, E: From<Error>>(
    connection: &mut Connection,
    dir: &Path,
    durability: Durability,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, E> {
    if connection.is_readonly(MAIN_DB).map_err(Error::from)? {
        return Err(Error::ReadOnly { path: dir.to_owned() }.into());
    }
    set_durability(connection, durability)?;
    let change = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(Error::from)?;
    let result = work(&change)?;
    let copies = copies::prepare(dir, &change, durability)?;
    fault::point("store.commit").map_err(|e| Error::io("record a change in", dir, e))?;
    change.commit().map_err(Error::from)?;
    copies.finish();
    Ok(result)
}

/// Makes the folders of copies, and those copies that are due.
fn make_copies(connection: &mut Connection, dir: &Path) -> Result<()> {
    copies::make_folders(dir)?;
    write(connection, dir, Durability::Full, |_| Ok::<_, Error>(()))
}

/// Whether a database was here before: then an empty one isn't a new one.
fn was_founded(dir: &Path) -> Result<bool> {
    Ok(copies::are_there(dir)? || reserve::is_kept(dir)?)
}

/// To go on with an empty database would be to take every layer for nobody's,
/// and to delete it.
fn lost(path: PathBuf) -> Error {
    let problem = "the database is gone, with the names of all images; \
                   `sapwood storage repair` makes it again from what lies beside it";
    Error::Corrupt { path, problem: problem.to_owned() }
}

fn configure(connection: &Connection) -> Result<()> {
    // The last process to close would fold the journal into the database, with
    // two flushes, at the end of every command.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(())
}

fn set_durability(connection: &Connection, durability: Durability) -> Result<()> {
    let value = match durability {
        Durability::Full => "FULL",
        Durability::Later => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", value)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn a_store_is_made_once_and_found_again() {
        let (_dir, root) = store();
        let first = Store::open(&root, "vfs").unwrap();
        first
            .write(Durability::Full, |t| {
                t.execute("INSERT INTO unfinished VALUES ('x')", ())?;
                Ok::<_, Error>(())
            })
            .unwrap();
        let count = |store: &Store| {
            store
                .read(|c| {
                    Ok::<i64, Error>(
                        c.query_row("SELECT count(*) FROM unfinished", (), |r| r.get(0))?,
                    )
                })
                .unwrap()
        };
        assert_eq!(count(&Store::open(&root, "vfs").unwrap()), 1);
        assert_eq!(count(&Store::open(&root, "overlay2").unwrap()), 0);
    }

    #[test]
    fn a_failed_transaction_leaves_nothing() {
        let (_dir, root) = store();
        let store = Store::open(&root, "vfs").unwrap();
        let failed: Result<()> = store.write(Durability::Later, |t| {
            t.execute("INSERT INTO unfinished VALUES ('x')", ())?;
            Err(Error::Invalid("no".into()))
        });
        assert!(matches!(failed, Err(Error::Invalid(_))));
        let left: i64 = store
            .read(|c| {
                Ok::<_, Error>(c.query_row("SELECT count(*) FROM unfinished", (), |r| r.get(0))?)
            })
            .unwrap();
        assert_eq!(left, 0);
    }

    #[test]
    fn many_processes_may_make_and_write_it_at_once() {
        let (_dir, root) = store();
        std::thread::scope(|scope| {
            for i in 0..8 {
                let root = &root;
                scope.spawn(move || {
                    let store = Store::open(root, "vfs").unwrap();
                    for n in 0..20 {
                        let durability =
                            if n % 2 == 0 { Durability::Full } else { Durability::Later };
                        store
                            .write(durability, |t| {
                                t.execute(
                                    "INSERT INTO unfinished VALUES (?1)",
                                    [format!("{i}-{n}")],
                                )?;
                                Ok::<_, Error>(())
                            })
                            .unwrap();
                    }
                });
            }
        });
        let store = Store::open(&root, "vfs").unwrap();
        let rows: i64 = store
            .read(|c| {
                Ok::<_, Error>(c.query_row("SELECT count(*) FROM unfinished", (), |r| r.get(0))?)
            })
            .unwrap();
        assert_eq!(rows, 160);
    }

    #[test]
    fn newer_and_foreign_databases_are_refused() {
        let (_dir, root) = store();
        drop(Store::open(&root, "vfs").unwrap());
        let path = root.engine_dir("vfs").unwrap().join("metadata.db");
        let raw = Connection::open(&path).unwrap();
        raw.pragma_update(None, "user_version", 3).unwrap();
        assert!(matches!(Store::open(&root, "vfs"), Err(Error::NewerFormat { found: 3, .. })));
        raw.pragma_update(None, "user_version", 2).unwrap();
        raw.pragma_update(None, "application_id", 7).unwrap();
        assert!(matches!(Store::open(&root, "vfs"), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn a_layer_that_is_needed_cannot_be_forgotten() {
        let (_dir, root) = store();
        let store = Store::open(&root, "vfs").unwrap();
        let forgotten: Result<usize> = store.write(Durability::Full, |t| {
            let insert = "INSERT INTO layer (chain_id, diff_id, parent, size) VALUES";
            t.execute(&format!("{insert} ('a', 'sha256:a', NULL, 0)"), ())?;
            t.execute(&format!("{insert} ('b', 'sha256:b', 'a', 0)"), ())?;
            Ok(t.execute("DELETE FROM layer WHERE chain_id = 'a'", ())?)
        });
        assert!(matches!(forgotten, Err(Error::Database(_))));
    }
}
