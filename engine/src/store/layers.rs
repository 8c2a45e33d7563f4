//! Rows of layers, and the traces of work that wasn't finished.

use std::collections::{HashMap, HashSet};

use graphdriver_api::Usage;
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::error::Result;

/// A layer that the driver has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerRow {
    pub(crate) chain_id: String,
    pub(crate) diff_id: String,
    pub(crate) parent: Option<String>,
    pub(crate) size: u64,
}

/// Records a layer that the driver has committed. A row that is there stays as
/// it is, but for a size that wasn't known.
pub(crate) fn insert(change: &Transaction<'_>, layer: &LayerRow) -> Result<()> {
    let size = i64::try_from(layer.size).unwrap_or(i64::MAX);
    change
        .prepare_cached(
            "INSERT INTO layer (chain_id, diff_id, parent, size) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (chain_id) DO UPDATE SET size = max(size, excluded.size)",
        )?
        .execute((&layer.chain_id, &layer.diff_id, &layer.parent, size))?;
    Ok(())
}

/// A layer's row.
pub(crate) fn find(connection: &Connection, chain_id: &str) -> Result<Option<LayerRow>> {
    Ok(chain(connection, chain_id)?.into_iter().next())
}

/// The recorded size of a layer.
pub(crate) fn size(connection: &Connection, chain_id: &str) -> Result<Option<u64>> {
    let size: Option<i64> = connection
        .prepare_cached("SELECT size FROM layer WHERE chain_id = ?1")?
        .query_row([chain_id], |row| row.get(0))
        .optional()?;
    Ok(size.map(|s| u64::try_from(s).unwrap_or(0)))
}

/// The layers from `top` down to the lowest.
pub(crate) fn chain(connection: &Connection, top: &str) -> Result<Vec<LayerRow>> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE below (chain_id, diff_id, parent, size, depth) AS (
             SELECT chain_id, diff_id, parent, size, 0 FROM layer WHERE chain_id = ?1
             UNION ALL
             SELECT l.chain_id, l.diff_id, l.parent, l.size, b.depth + 1
             FROM below b JOIN layer l ON l.chain_id = b.parent
         )
         SELECT chain_id, diff_id, parent, size FROM below ORDER BY depth",
    )?;
    let rows = statement.query_map([top], |row| {
        let size: i64 = row.get(3)?;
        Ok(LayerRow {
            chain_id: row.get(0)?,
            diff_id: row.get(1)?,
            parent: row.get(2)?,
            size: u64::try_from(size).unwrap_or(0),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Corrects the layer beneath another.
pub(crate) fn set_parent(t: &Transaction<'_>, chain_id: &str, parent: Option<&str>) -> Result<()> {
    t.execute("UPDATE layer SET parent = ?2 WHERE chain_id = ?1", (chain_id, parent))?;
    Ok(())
}

/// Notes what a layer holds by itself.
pub(crate) fn set_counted(t: &Transaction<'_>, chain_id: &str, usage: Usage) -> Result<()> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    t.execute(
        "UPDATE layer SET content = ?2, inodes = ?3 WHERE chain_id = ?1",
        (chain_id, number(usage.content), number(usage.inodes)),
    )?;
    Ok(())
}

/// Notes what a container that has ended holds by itself.
pub(crate) fn set_container_counted(t: &Transaction<'_>, id: &str, usage: Usage) -> Result<()> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    t.execute(
        "UPDATE container SET content = ?2, inodes = ?3 WHERE id = ?1 AND state = 'exited'",
        (id, number(usage.content), number(usage.inodes)),
    )?;
    Ok(())
}

/// Layers of which that isn't noted.
pub(crate) fn uncounted(connection: &Connection) -> Result<Vec<String>> {
    chains(connection, "SELECT chain_id FROM layer WHERE content IS NULL")
}

/// What every counted layer holds.
pub(crate) fn contents(connection: &Connection) -> Result<HashMap<String, u64>> {
    let mut statement = connection
        .prepare_cached("SELECT chain_id, content FROM layer WHERE content IS NOT NULL")?;
    let rows = statement.query_map((), |row| {
        let content: i64 = row.get(1)?;
        Ok((row.get(0)?, u64::try_from(content).unwrap_or(0)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Layers that came with an image, each with the one beneath it and after that.
pub(crate) fn with_diff_id(connection: &Connection) -> Result<Vec<(String, Option<String>)>> {
    let mut statement = connection
        .prepare_cached("SELECT chain_id, parent FROM layer WHERE diff_id <> '' ORDER BY 1")?;
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut rows: Vec<(String, Option<String>)> = rows.collect::<rusqlite::Result<_>>()?;
    let parents: HashMap<_, _> = rows.iter().cloned().collect();
    rows.sort_by_cached_key(|(chain, _)| depth(&parents, chain));
    Ok(rows)
}

/// How many layers lie beneath one. Rows that contradict each other may go
/// round in a circle.
fn depth(parents: &HashMap<String, Option<String>>, chain: &str) -> usize {
    let beneath = |chain: &&str| parents.get(*chain).and_then(Option::as_deref);
    let way = std::iter::successors(Some(chain), beneath);
    way.take(parents.len()).count()
}

/// Layers that [`forget_unused`] would forget now.
pub(crate) fn unneeded(connection: &Connection) -> Result<Vec<String>> {
    // What is needed: what is named, and all beneath it; a layer without a diff
    // ID also by an image on its parent.
    chains(
        connection,
        "WITH RECURSIVE needed (chain_id) AS (
             SELECT top FROM image WHERE top IS NOT NULL
             UNION SELECT base FROM container WHERE base IS NOT NULL
             UNION SELECT chain_id FROM layer
                 WHERE diff_id = '' AND EXISTS (SELECT 1 FROM image WHERE top IS layer.parent)
             UNION SELECT l.parent FROM needed n JOIN layer l ON l.chain_id = n.chain_id
                 WHERE l.parent IS NOT NULL
         )
         SELECT chain_id FROM layer WHERE chain_id NOT IN (SELECT chain_id FROM needed)",
    )
}

fn chains(connection: &Connection, query: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map((), |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Every recorded layer's chain ID.
pub(crate) fn all(connection: &Connection) -> Result<HashSet<String>> {
    let mut statement = connection.prepare_cached("SELECT chain_id FROM layer")?;
    let rows = statement.query_map((), |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// No image, no container and no layer stands on it. A layer without a diff ID
/// lies between an image and its containers, and stays for the next of them as
/// long as there is an image to run.
const UNUSED: &str = "NOT EXISTS (SELECT 1 FROM image WHERE top = layer.chain_id)
    AND NOT EXISTS (SELECT 1 FROM container WHERE base = layer.chain_id)
    AND NOT EXISTS (SELECT 1 FROM layer child WHERE child.parent = layer.chain_id)
    AND (diff_id <> '' OR NOT EXISTS (SELECT 1 FROM image WHERE top IS layer.parent))";

/// Whether a layer is recorded that nothing needs.
pub(crate) fn any_unused(connection: &Connection) -> Result<bool> {
    Ok(connection
        .prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM layer WHERE {UNUSED})"))?
        .query_row((), |row| row.get(0))?)
}

/// Forgets every layer that no image, no container and no other layer needs,
/// and tells which they were, each before the one beneath it.
pub(crate) fn forget_unused(change: &Transaction<'_>) -> Result<Vec<String>> {
    let mut forgotten = Vec::new();
    loop {
        let mut statement = change
            .prepare_cached(&format!("DELETE FROM layer WHERE {UNUSED} RETURNING chain_id"))?;
        let rows: Vec<String> =
            statement.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        if rows.is_empty() {
            return Ok(forgotten);
        }
        forgotten.extend(rows);
    }
}

/// Notes that work begins which may leave layers without a row.
pub(crate) fn begin_work(change: &Transaction<'_>, token: &str) -> Result<()> {
    change.execute("INSERT INTO unfinished (token) VALUES (?1) ON CONFLICT DO NOTHING", [token])?;
    Ok(())
}

/// Notes that this work has left nothing.
pub(crate) fn end_work(change: &Transaction<'_>, token: &str) -> Result<()> {
    change.execute("DELETE FROM unfinished WHERE token = ?1", [token])?;
    Ok(())
}

/// Notes that all work so far has left nothing.
pub(crate) fn end_all_work(change: &Transaction<'_>) -> Result<()> {
    change.execute("DELETE FROM unfinished", ())?;
    Ok(())
}

/// Whether some work, running or dead, may have left something.
pub(crate) fn any_work(connection: &Connection) -> Result<bool> {
    Ok(connection.query_row("SELECT EXISTS (SELECT 1 FROM unfinished)", (), |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::store::{Durability, Root, Store, images};

    fn row(chain_id: &str, diff_id: &str, parent: Option<&str>) -> LayerRow {
        LayerRow {
            chain_id: chain_id.to_owned(),
            diff_id: diff_id.to_owned(),
            parent: parent.map(str::to_owned),
            size: 1,
        }
    }

    /// Two images on one layer, one of which has an init layer above it.
    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Root::open(dir.path()).unwrap(), "vfs").unwrap();
        store
            .write(Durability::Later, |t| {
                insert(t, &row("base", "sha256:0", None))?;
                insert(t, &row("a", "sha256:1", Some("base")))?;
                insert(t, &row("b", "sha256:2", Some("base")))?;
                insert(t, &row("init-a", "", Some("a")))?;
                images::insert(t, "A", b"", Some("a"), 0)?;
                images::insert(t, "B", b"", Some("b"), 0)
            })
            .unwrap();
        (dir, store)
    }

    fn forget(store: &Store, image: &str) -> Vec<String> {
        store
            .write(Durability::Later, |t| {
                assert!(!any_unused(t)?);
                images::remove(t, image)?;
                forget_unused(t)
            })
            .unwrap()
    }

    #[test]
    fn layers_go_with_the_last_that_needs_them_the_upper_first() {
        let (_dir, store) = store();
        assert_eq!(forget(&store, "B"), ["b"]);
        assert_eq!(forget(&store, "A"), ["init-a", "a", "base"]);
    }

    #[test]
    fn a_chain_is_told_from_its_top() {
        let (_dir, store) = store();
        let chain: Vec<_> = store.read(|c| chain(c, "init-a")).unwrap();
        let chain: Vec<_> = chain.iter().map(|l| l.chain_id.as_str()).collect();
        assert_eq!(chain, ["init-a", "a", "base"]);
    }

    #[test]
    fn a_row_that_is_there_keeps_the_larger_size() {
        let (_dir, store) = store();
        let again = |size| {
            let layer = LayerRow { size, ..row("a", "sha256:1", Some("base")) };
            store
                .write(Durability::Later, |t| {
                    insert(t, &layer)?;
                    Ok::<_, Error>(super::size(t, "a")?.unwrap_or(0))
                })
                .unwrap()
        };
        assert_eq!((again(7), again(0)), (7, 7));
    }
}
