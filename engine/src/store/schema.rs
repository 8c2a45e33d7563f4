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
