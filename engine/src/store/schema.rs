//! The database's format: how it is made, and how it is known.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Error, Result};

/// "SAPW": tells our database from any other SQLite file (`PRAGMA
/// application_id`; file(1) shows it).
const APPLICATION_ID: i64 = 0x5341_5057;

/// One entry a format: what turns the format before it into that one. The
/// format of a database is `PRAGMA user_version`.
const STEPS: [&str; 2] = [
    concat!(include_str!("images.sql"), include_str!("containers.sql")),
    include_str!("account.sql"),
];

/// The newest format, which is the one in use.
#[allow(clippy::cast_possible_wrap)] // A handful.
pub(crate) const FORMAT: i64 = STEPS.len() as i64;

/// The format of the database: 0 for an empty one. Those before [`FORMAT`]
/// are brought up to it by [`upgrade`].
///
/// # Errors
/// [`Error::NewerFormat`]; [`Error::Corrupt`] for a database of something else.
pub(crate) fn found(connection: &Connection, path: &Path) -> Result<i64> {
    let found = pragma(connection, "user_version")?;
    if found > FORMAT {
        return Err(Error::NewerFormat { path: path.to_owned(), found, known: FORMAT });
    }
    let application = pragma(connection, "application_id")?;
    if application != APPLICATION_ID && (found != 0 || application != 0) {
        let problem = "it is a database, but not one of Sapwood's".to_owned();
        return Err(Error::Corrupt { path: path.to_owned(), problem });
    }
    Ok(found)
}

/// Brings the database to the format in use, in one transaction. The caller
/// holds the store's set-up lock: the journal mode can't be changed while
/// another connection looks on.
///
/// # Errors
/// [`Error::Database`], with the database as it was.
pub(crate) fn upgrade(connection: &mut Connection) -> Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = pragma(&change, "user_version")?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "application_id", APPLICATION_ID)?;
    change.pragma_update(None, "user_version", FORMAT)?;
    change.commit()?;
    Ok(())
}

fn pragma(connection: &Connection, name: &str) -> Result<i64> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::{Durability, Root, Store, copies};

    /// A store as a version of format 1 left it: a database, and no copies.
    fn store_of_format_1() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let path = root.engine_dir("vfs").unwrap().join("metadata.db");
        let old = Connection::open(path).unwrap();
        old.pragma_update(None, "journal_mode", "WAL").unwrap();
        old.execute_batch(include_str!("fixtures/format1.sql")).unwrap();
        (dir, root)
    }

    #[test]
    fn a_store_of_format_1_is_brought_up_with_all_that_it_held() {
        let (_dir, root) = store_of_format_1();
        for _ in 0..2 {
            let store = Store::open(&root, "vfs").unwrap();
            let (version, rows): (i64, i64) = store
                .read(|c| {
                    Ok::<_, Error>((
                        pragma(c, "user_version")?,
                        c.query_row(
                            "SELECT (SELECT count(*) FROM layer WHERE content IS NULL)
                                  + (SELECT count(*) FROM image) + (SELECT count(*) FROM tag)
                                  + (SELECT count(*) FROM manifest) + (SELECT count(*) FROM container)
                                  + (SELECT count(*) FROM copy_due)",
                            (),
                            |r| r.get(0),
                        )?,
                    ))
                })
                .unwrap();
            assert_eq!((version, rows), (FORMAT, 3 + 1 + 1 + 1 + 2));
        }
        let images = copies::read_images(&root.engine_dir("vfs").unwrap()).unwrap();
        let copy = &images[0];
        assert_eq!(copy.config, "{}");
        assert_eq!(copy.names, [("docker.io/library/old".to_owned(), "1".to_owned())]);
        assert_eq!(copy.layers.iter().map(|l| l.size).collect::<Vec<_>>(), [10, 20]);
        assert_eq!(copies::read_containers(&root.engine_dir("vfs").unwrap()).unwrap().len(), 2);
    }

    #[test]
    fn an_upgrade_that_fails_leaves_the_old_format() {
        let (_dir, root) = store_of_format_1();
        let path = root.engine_dir("vfs").unwrap().join("metadata.db");
        // Something is in the way.
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE copy_due (x)").unwrap();
        assert!(matches!(Store::open(&root, "vfs"), Err(Error::Database(_))));
        let old = Connection::open(&path).unwrap();
        assert_eq!(pragma(&old, "user_version").unwrap(), 1);
        old.prepare("SELECT content FROM layer").unwrap_err();
    }

    #[test]
    fn copies_follow_their_rows() {
        let (_dir, root) = store_of_format_1();
        let store = Store::open(&root, "vfs").unwrap();
        let dir = root.engine_dir("vfs").unwrap();
        let copied = || copies::all(&dir, copies::Kind::Container).unwrap().len();
        store
            .write(Durability::Later, |t| {
                t.execute("DELETE FROM container WHERE id = 'c1'", ())?;
                Ok::<_, Error>(())
            })
            .unwrap();
        assert_eq!(copied(), 1);
        // A transaction that fails leaves its copies for the next opening.
        let failed: Result<()> = store.write(Durability::Later, |t| {
            t.execute("DELETE FROM container", ())?;
            Err(Error::Invalid("no".into()))
        });
        failed.unwrap_err();
        assert_eq!(copied(), 1);
        // As a process that died left it.
        let place = copies::path_of(&dir, copies::Kind::Container, "c2");
        fs::rename(&place, dir.join("pending/container-c2.gone")).unwrap();
        fs::write(dir.join("pending/container-c9.new"), b"{}").unwrap();
        drop(Store::open(&root, "vfs").unwrap());
        assert_eq!(copied(), 1);
        assert!(copies::left_pending(&dir).unwrap().is_empty());
    }

    #[test]
    fn a_database_that_is_gone_is_not_taken_for_a_new_one() {
        let (_dir, root) = store_of_format_1();
        drop(Store::open(&root, "vfs").unwrap());
        let path = root.engine_dir("vfs").unwrap().join("metadata.db");
        for suffix in ["", "-wal", "-shm"] {
            fs::remove_file(format!("{}{suffix}", path.display())).unwrap_or_default();
        }
        assert!(matches!(Store::open(&root, "vfs"), Err(Error::Corrupt { .. })));
        assert!(!path.try_exists().unwrap());
        fs::write(&path, b"").unwrap();
        assert!(matches!(Store::open(&root, "vfs"), Err(Error::Corrupt { .. })));
    }
}
