//! Rows of containers: what survives a reboot.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction};
use serde::{Deserialize, Serialize};

use super::error::{Error, ErrorKind, Result};
use super::request::RunRequest;
use super::value::EnvEntry;

/// A container as it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// 64 hex digits; also the driver's id of its draft.
    pub(super) id: String,
    /// Unique.
    pub(super) name: String,
    /// The image's id.
    pub(super) image: String,
    /// The layer that its draft stands on.
    pub(super) base: Option<String>,
    /// What was known of its life when the row was last written.
    pub(super) phase: Phase,
    /// When it was made.
    pub(super) created: SystemTime,
    /// The rest.
    pub(super) details: Details,
}

/// Where a container is in its life, as far as a file can tell. Whether a
/// `Running` one really runs is for its lock to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It was about to run, or runs, or nobody has noted its end.
    Running,
    /// Its end is noted.
    Exited,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Exited => "exited",
        }
    }
}

/// What isn't searched for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Details {
    /// The image as the user named it.
    pub(super) image_name: String,
    /// The words that it runs.
    pub(super) command: Vec<String>,
    /// The image's labels and the user's.
    pub(super) labels: BTreeMap<String, String>,
    /// Whether it is removed when it ends.
    pub(super) remove: bool,
    /// The signal that asks it to end.
    pub(super) stop_signal: Option<i32>,
    /// How many seconds it may take to.
    pub(super) stop_timeout: Option<u32>,
    /// How it ended.
    pub(super) end: Option<End>,
    /// What its user set in place of what the image says.
    #[serde(default)]
    pub(super) overrides: Overrides,
}

/// What `run` was told that an image's configuration could say too; `None`
/// where it was told nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Overrides {
    /// The entry point; empty if the image's was taken away.
    pub(super) entrypoint: Option<Vec<String>>,
    /// The command; empty if the image's doesn't count.
    pub(super) command: Option<Vec<String>>,
    /// Variables with their values; `None` for one that was taken away.
    pub(super) env: Vec<(String, Option<String>)>,
    /// The user, and perhaps the group.
    pub(super) user: Option<String>,
    /// The working directory.
    pub(super) workdir: Option<String>,
}

impl Overrides {
    /// Those of a request, with the variables of this process that it names.
    pub(super) fn of(request: &RunRequest) -> Self {
        let entrypoint = request.entrypoint.as_ref();
        let drops_command = entrypoint.is_some() || !request.command.is_empty();
        let variable = |entry: &EnvEntry| match entry {
            EnvEntry::Set(name, value) => (name.clone(), Some(value.clone())),
            EnvEntry::Inherit(name) => (name.clone(), std::env::var(name).ok()),
        };
        Self {
            entrypoint: entrypoint
                .map(|e| Some(e.clone()).filter(|e| !e.is_empty()).into_iter().collect()),
            command: drops_command.then(|| request.command.clone()),
            env: request.env.iter().map(variable).collect(),
            user: request.user.as_ref().map(ToString::to_string),
            workdir: request.workdir.clone(),
        }
    }
}

/// How and when a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    /// Its exit status.
    pub(super) status: u8,
    /// When that was noted.
    pub(super) at: SystemTime,
}

const COLUMNS: &str = "id, name, image, base, state, created, record";

/// Records a new container.
///
/// # Errors
/// `NameInUse`.
pub(super) fn insert(change: &Transaction<'_>, record: &Record) -> Result<()> {
    let inserted = change.execute(
        "INSERT INTO container (id, name, image, base, state, created, record)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            &record.id,
            &record.name,
            &record.image,
            &record.base,
            record.phase.as_str(),
            nanos(record.created),
            json(&record.details)?,
        ),
    );
    match inserted {
        Ok(_) => Ok(()),
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(name_in_use(change, record, e))
        }
        Err(e) => Err(database(e)),
    }
}

/// Whose the name is; another violated rule is the store's own fault.
fn name_in_use(change: &Transaction<'_>, record: &Record, violation: rusqlite::Error) -> Error {
    let owner: rusqlite::Result<String> =
        change.query_row("SELECT id FROM container WHERE name = ?1", [&record.name], |r| r.get(0));
    match owner {
        Ok(id) => Error::new(
            ErrorKind::NameInUse,
            format!(
                "the name {} is in use by the container {}; remove it, or choose another name",
                record.name,
                super::short(&id)
            ),
        ),
        Err(_) => database(violation),
    }
}

/// Notes how a container ended.
pub(super) fn finish(change: &Transaction<'_>, record: &Record) -> Result<()> {
    update(change, &record.id, Phase::Exited, &record.details)
}

/// Notes that a container is about to be removed: should that be cut off, it is
/// settled as one that was to be removed at its end.
pub(super) fn begin_removal(change: &Transaction<'_>, record: &Record) -> Result<()> {
    let details = Details { remove: true, ..record.details.clone() };
    update(change, &record.id, Phase::Running, &details)
}

/// Takes that back.
pub(super) fn restore(change: &Transaction<'_>, record: &Record) -> Result<()> {
    update(change, &record.id, record.phase, &record.details)
}

fn update(change: &Transaction<'_>, id: &str, phase: Phase, details: &Details) -> Result<()> {
    let row = (id, phase.as_str(), json(details)?);
    let updated = change.execute("UPDATE container SET state = ?2, record = ?3 WHERE id = ?1", row);
    updated.map(drop).map_err(database)
}

/// Forgets a container.
pub(super) fn remove(change: &Transaction<'_>, id: &str) -> Result<()> {
    change.execute("DELETE FROM container WHERE id = ?1", [id]).map(drop).map_err(database)
}

/// Every container, the newest first.
pub(super) fn all(connection: &Connection) -> Result<Vec<Record>> {
    query(connection, "ORDER BY created DESC, id", ())
}

/// Those whose end isn't noted.
pub(super) fn unfinished(connection: &Connection) -> Result<Vec<Record>> {
    query(connection, "WHERE state = 'running'", ())
}

/// The container of exactly this id.
pub(super) fn by_id(connection: &Connection, id: &str) -> Result<Option<Record>> {
    Ok(query(connection, "WHERE id = ?1", [id])?.pop())
}

/// The container that a user means: a name, an id, or the beginning of an id.
///
/// # Errors
/// `NotFound`, `Ambiguous`.
pub(super) fn find(connection: &Connection, given: &str) -> Result<Record> {
    if let Some(named) = query(connection, "WHERE name = ?1", [given])?.pop() {
        return Ok(named);
    }
    let hex = !given.is_empty() && given.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut found = match hex {
        // 'g' comes behind every hex digit: a range that the index answers.
        true => query(connection, "WHERE id >= ?1 AND id < ?1 || 'g'", [given])?,
        false => Vec::new(),
    };
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (Some(_), more) => Err(Error::new(
            ErrorKind::Ambiguous,
            format!("{given} fits {} containers: write more of the id", more + 1),
        )),
        (None, _) => Err(Error::new(ErrorKind::NotFound, format!("no such container: {given}"))),
    }
}

fn query(
    connection: &Connection,
    rest: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<Record>> {
    let mut statement = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM container {rest}"))
        .map_err(database)?;
    let rows = statement.query_map(values, |row| Ok(read(row))).map_err(database)?;
    rows.map(|row| row.map_err(database)?).collect()
}

fn read(row: &Row<'_>) -> Result<Record> {
    let text = |n: usize| row.get::<_, String>(n).map_err(database);
    let id = text(0)?;
    let details: Details = serde_json::from_str(&text(6)?)
        .map_err(|e| Error::storage(format!("the record of the container {id} is damaged"), e))?;
    let phase = if text(4)? == Phase::Exited.as_str() { Phase::Exited } else { Phase::Running };
    let created: i64 = row.get(5).map_err(database)?;
    let (name, image) = (text(1)?, text(2)?);
    let base = row.get(3).optional().map_err(database)?.flatten();
    Ok(Record { id, name, image, base, phase, created: time(created), details })
}

fn json(details: &Details) -> Result<String> {
    serde_json::to_string(details)
        .map_err(|e| Error::storage("can't write the record of a container", e))
}

fn database(error: rusqlite::Error) -> Error {
    Error::storage("the store's database failed", error)
}

/// Nanoseconds since 1970; the year 2262 is the last.
fn nanos(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn time(nanos: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Durability, Root, Store};

    fn record(id: &str, name: &str) -> Record {
        Record {
            id: id.into(),
            name: name.into(),
            image: "sha256:1".into(),
            base: None,
            phase: Phase::Running,
            created: time(1_700_000_000_123_456_789),
            details: Details { command: vec!["sh".into()], ..Details::default() },
        }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Root::open(dir.path()).unwrap(), "vfs").unwrap();
        for (id, name) in [("aa01", "one"), ("aa02", "two"), ("bb03", "aa")] {
            store.write(Durability::Later, |t| insert(t, &record(id, name))).unwrap();
        }
        (dir, store)
    }

    #[test]
    fn records_come_back_as_they_were() {
        let (_dir, store) = store();
        let mut found = store.read(|c| find(c, "one")).unwrap();
        assert_eq!(found, record("aa01", "one"));
        found.details.end = Some(End { status: 3, at: time(5) });
        store.write(Durability::Later, |t| finish(t, &found)).unwrap();
        let again = store.read(|c| by_id(c, "aa01")).unwrap().unwrap();
        assert_eq!((again.phase, again.details.end), (Phase::Exited, found.details.end));
        assert_eq!(store.read(unfinished).unwrap().len(), 2);
        assert_eq!(store.read(all).unwrap().len(), 3);
    }

    #[test]
    fn names_ids_and_their_beginnings() {
        let (_dir, store) = store();
        let id = |given: &str| store.read(|c| find(c, given)).map(|r| r.id);
        assert_eq!(id("bb").unwrap(), "bb03");
        assert_eq!(id("aa02").unwrap(), "aa02");
        // A name wins over the beginning of an id.
        assert_eq!(id("aa").unwrap(), "bb03");
        assert_eq!(id("aa0").unwrap_err().kind(), ErrorKind::Ambiguous);
        for absent in ["cc", "", "One", "zz", "aa01x"] {
            assert_eq!(id(absent).unwrap_err().kind(), ErrorKind::NotFound, "{absent}");
        }
    }

    #[test]
    fn a_name_has_one_container() {
        let (_dir, store) = store();
        let again = store.write(Durability::Later, |t| insert(t, &record("cc04", "one")));
        let error = again.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameInUse);
        assert!(error.to_string().contains("aa01"), "{error}");
        store.write(Durability::Later, |t| remove(t, "aa01")).unwrap();
        store.write(Durability::Later, |t| insert(t, &record("cc04", "one"))).unwrap();
    }
}
