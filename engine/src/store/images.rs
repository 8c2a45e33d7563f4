//! Rows of images and of their names.

use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use crate::error::Result;
use crate::image::{Name, Repository};

/// An image as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageRow {
    /// "sha256:" and hex digits.
    pub(crate) id: String,
    pub(crate) config: Vec<u8>,
    /// The chain ID of its topmost layer.
    pub(crate) top: Option<String>,
    /// When it last got a name: seconds since 1970.
    pub(crate) tagged: Option<i64>,
}

const COLUMNS: &str = "id, config, top, tagged";

fn image_row(row: &Row<'_>) -> rusqlite::Result<ImageRow> {
    Ok(ImageRow { id: row.get(0)?, config: row.get(1)?, top: row.get(2)?, tagged: row.get(3)? })
}

fn name_row(row: &Row<'_>) -> rusqlite::Result<Name> {
    Ok(Name { repository: Repository::from_store(row.get(0)?), tag: row.get(1)? })
}

/// Records an image; one that is there already stays as it is.
pub(crate) fn insert(
    change: &Transaction<'_>,
    id: &str,
    config: &[u8],
    top: Option<&str>,
    now: i64,
) -> Result<()> {
    change
        .prepare_cached(
            "INSERT INTO image (id, config, top, loaded) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute((id, config, top, now))?;
    Ok(())
}

/// Keeps the manifest that an image came with.
pub(crate) fn insert_manifest(
    change: &Transaction<'_>,
    image: &str,
    digest: &str,
    media_type: &str,
    content: &[u8],
) -> Result<()> {
    change.execute(
        "INSERT INTO manifest (digest, image, media_type, content) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (digest) DO NOTHING",
        (digest, image, media_type, content),
    )?;
    Ok(())
}

/// Gives `name` to an image, and tells whose it was, if it was another's.
pub(crate) fn set_name(
    change: &Transaction<'_>,
    name: &Name,
    image: &str,
    now: i64,
) -> Result<Option<String>> {
    let before = by_name(change, name)?.map(|row| row.id).filter(|id| id != image);
    change.execute(
        "INSERT INTO tag (repository, tag, image) VALUES (?1, ?2, ?3)
         ON CONFLICT (repository, tag) DO UPDATE SET image = excluded.image",
        (name.repository.as_str(), &name.tag, image),
    )?;
    change.execute("UPDATE image SET tagged = ?2 WHERE id = ?1", (image, now))?;
    Ok(before)
}

/// Notes that `repository` knows an image by its manifest's digest.
pub(crate) fn set_digest(
    change: &Transaction<'_>,
    repository: &Repository,
    digest: &str,
    image: &str,
) -> Result<()> {
    change.execute(
        "INSERT INTO repo_digest (repository, digest, image) VALUES (?1, ?2, ?3)
         ON CONFLICT (repository, digest) DO UPDATE SET image = excluded.image",
        (repository.as_str(), digest, image),
    )?;
    Ok(())
}

/// Takes a name away.
pub(crate) fn remove_name(change: &Transaction<'_>, name: &Name) -> Result<()> {
    change.execute(
        "DELETE FROM tag WHERE repository = ?1 AND tag = ?2",
        (name.repository.as_str(), &name.tag),
    )?;
    Ok(())
}

/// Takes a digest's name away.
pub(crate) fn remove_digest(
    change: &Transaction<'_>,
    repository: &Repository,
    digest: &str,
) -> Result<()> {
    change.execute(
        "DELETE FROM repo_digest WHERE repository = ?1 AND digest = ?2",
        (repository.as_str(), digest),
    )?;
    Ok(())
}

/// Forgets an image with its names and manifests.
pub(crate) fn remove(change: &Transaction<'_>, id: &str) -> Result<()> {
    change.execute("DELETE FROM image WHERE id = ?1", [id])?;
    Ok(())
}

/// Takes away what `table` calls by an image that isn't there.
pub(crate) fn drop_names(change: &Transaction<'_>, table: &str, image: &str) -> Result<()> {
    let query = match table {
        "tag" => "DELETE FROM tag WHERE image = ?1",
        "repo_digest" => "DELETE FROM repo_digest WHERE image = ?1",
        _ => "DELETE FROM manifest WHERE image = ?1",
    };
    let there: bool =
        change.query_row("SELECT EXISTS (SELECT 1 FROM image WHERE id = ?1)", [image], |row| {
            row.get(0)
        })?;
    if !there {
        change.execute(query, [image])?;
    }
    Ok(())
}

/// Forgets every image that has this layer.
pub(crate) fn remove_all_on(change: &Transaction<'_>, chain_id: &str) -> Result<()> {
    change.execute(
        "WITH RECURSIVE above (chain_id) AS (
             VALUES (?1)
             UNION SELECT l.chain_id FROM above a JOIN layer l ON l.parent = a.chain_id
         )
         DELETE FROM image WHERE top IN (SELECT chain_id FROM above)",
        [chain_id],
    )?;
    Ok(())
}

/// Every image, those that came last first.
pub(crate) fn all(connection: &Connection) -> Result<Vec<ImageRow>> {
    let query = format!("SELECT {COLUMNS} FROM image ORDER BY loaded DESC, rowid DESC");
    let mut statement = connection.prepare_cached(&query)?;
    let rows = statement.query_map((), image_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The image that has this name.
pub(crate) fn by_name(connection: &Connection, name: &Name) -> Result<Option<ImageRow>> {
    let query = format!(
        "SELECT {COLUMNS} FROM image
         WHERE id = (SELECT image FROM tag WHERE repository = ?1 AND tag = ?2)"
    );
    Ok(connection
        .prepare_cached(&query)?
        .query_row((name.repository.as_str(), &name.tag), image_row)
        .optional()?)
}

/// The image that this repository knows by this manifest's digest.
pub(crate) fn by_digest(
    connection: &Connection,
    repository: &Repository,
    digest: &str,
) -> Result<Option<ImageRow>> {
    let query = format!(
        "SELECT {COLUMNS} FROM image
         WHERE id = (SELECT image FROM repo_digest WHERE repository = ?1 AND digest = ?2)"
    );
    Ok(connection.query_row(&query, (repository.as_str(), digest), image_row).optional()?)
}

/// Every image whose id begins with `prefix` ("sha256:" and hex digits), in
/// the order of ids.
pub(crate) fn by_prefix(connection: &Connection, prefix: &str) -> Result<Vec<ImageRow>> {
    // 'g' comes behind every hex digit: a range that the index answers.
    let query =
        format!("SELECT {COLUMNS} FROM image WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id");
    let mut statement = connection.prepare_cached(&query)?;
    let rows = statement.query_map([prefix], image_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// An image's names, in order.
pub(crate) fn names(connection: &Connection, image: &str) -> Result<Vec<Name>> {
    let mut statement = connection.prepare_cached(
        "SELECT repository, tag FROM tag WHERE image = ?1 ORDER BY repository, tag",
    )?;
    let rows = statement.query_map([image], name_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The names in a repository, in order, each with its image.
pub(crate) fn in_repository(
    connection: &Connection,
    repository: &Repository,
) -> Result<Vec<(Name, ImageRow)>> {
    let mut statement = connection
        .prepare_cached("SELECT repository, tag FROM tag WHERE repository = ?1 ORDER BY tag")?;
    let names = statement.query_map([repository.as_str()], name_row)?;
    let names: Vec<Name> = names.collect::<rusqlite::Result<_>>()?;
    let with_image = |name| Ok(by_name(connection, &name)?.map(|row| (name, row)));
    names.into_iter().filter_map(|name| with_image(name).transpose()).collect()
}

/// The manifests that an image came with, each with its media type, in the
/// order of their digests.
pub(crate) fn manifests(connection: &Connection, image: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let mut statement = connection.prepare_cached(
        "SELECT media_type, content FROM manifest WHERE image = ?1 ORDER BY digest",
    )?;
    let rows = statement.query_map([image], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The same with their digests.
pub(crate) fn manifest_rows(
    connection: &Connection,
    image: &str,
) -> Result<Vec<(String, String, Vec<u8>)>> {
    let mut statement = connection.prepare_cached(
        "SELECT digest, media_type, content FROM manifest WHERE image = ?1 ORDER BY digest",
    )?;
    let rows = statement.query_map([image], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Where an image is known by a digest: repository and digest, in order.
pub(crate) fn repo_digests(
    connection: &Connection,
    image: &str,
) -> Result<Vec<(Repository, String)>> {
    let mut statement = connection.prepare_cached(
        "SELECT repository, digest FROM repo_digest WHERE image = ?1 ORDER BY repository, digest",
    )?;
    let rows = statement
        .query_map([image], |row| Ok((Repository::from_store(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Containers made from an image: their ids and states, running ones first.
pub(crate) fn containers(connection: &Connection, image: &str) -> Result<Vec<(String, String)>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, state FROM container WHERE image = ?1 ORDER BY state <> 'running', created",
    )?;
    let rows = statement.query_map([image], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
