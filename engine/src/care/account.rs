//! What takes how much room: told from what was counted when it was made.
//!
//! A layer is counted once, after it was committed; it never changes. A
//! container is counted when it ends; one that runs is counted when somebody
//! asks. Sizes are lengths of files, which don't depend on the medium: so a
//! [check](super::Site::check) can count again and compare.

use std::collections::{BTreeMap, HashMap, HashSet};

use graphdriver_api::{DraftId, ErrorKind, LayerId, NodeRef, Usage};
use serde::Serialize;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::store::{Durability, layers};

/// Everything that takes room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Images, those that came last first.
    pub images: Vec<ImageRoom>,
    /// Containers, the newest first.
    pub containers: Vec<ContainerRoom>,
    /// Bytes of all layers, each counted once.
    pub layers: u64,
    /// Bytes of layers that no container stands on.
    pub reclaimable: u64,
}

/// What an image takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageRoom {
    /// Its id.
    pub id: String,
    /// Bytes of layers that other images have too.
    pub shared: u64,
    /// Bytes of its own layers.
    pub unique: u64,
    /// Containers that were made of it.
    pub containers: usize,
}

/// What a container's own changes take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerRoom {
    /// Its id.
    pub id: String,
    /// Bytes.
    pub size: u64,
    /// Whether its end isn't noted.
    pub running: bool,
}

/// Counts every layer that wasn't counted yet. Called when layers were made.
///
/// Cost: a query; a system call for each file of such layers.
pub(crate) fn count_new(engine: &Engine) -> Result<()> {
    for chain in engine.store().read(layers::uncounted)? {
        count(engine, &chain)?;
    }
    Ok(())
}

/// Counts a layer, again if it was counted before.
pub(crate) fn count(engine: &Engine, chain: &str) -> Result<()> {
    let layer = LayerId::new(chain).map_err(|e| Error::Invalid(e.to_string()))?;
    match engine.driver().usage(NodeRef::Layer(&layer)) {
        Ok(usage) => {
            let noted =
                engine.store().write(Durability::Later, |t| layers::set_counted(t, chain, usage));
            match noted {
                // It is counted again the next time.
                Err(Error::ReadOnly { .. }) => Ok(()),
                noted => noted,
            }
        }
        // Removed since, or damaged, which isn't for here to tell.
        Err(e)
            if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Busy | ErrorKind::Corrupt) =>
        {
            Ok(())
        }
        Err(e) => Err(e.into()),
    }
}

/// What a container's own changes take now. Nothing where that can't be told:
/// it is about to be removed, or damaged.
pub(crate) fn of_container(engine: &Engine, id: &str) -> Result<Option<Usage>> {
    let draft = DraftId::new(id).map_err(|e| Error::Invalid(e.to_string()))?;
    match engine.driver().usage(NodeRef::Draft(&draft)) {
        Ok(usage) => Ok(Some(usage)),
        Err(e)
            if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Busy | ErrorKind::Corrupt) =>
        {
            Ok(None)
        }
        Err(e) => Err(e.into()),
    }
}

struct ContainerRow {
    id: String,
    image: String,
    base: Option<String>,
    state: String,
    counted: Option<u64>,
}

struct Rows {
    layers: HashMap<String, (Option<String>, u64)>,
    images: Vec<(String, Option<String>)>,
    containers: Vec<ContainerRow>,
}

impl Engine {
    /// Tells what takes how much room.
    ///
    /// Cost: some queries, and a walk of the own changes of each container that
    /// runs.
    ///
    /// # Errors
    /// The store's and the driver's.
    pub fn account(&self) -> Result<Account> {
        count_new(self)?;
        let rows = self.rows()?;
        let chains: Vec<_> =
            rows.images.iter().map(|(_, top)| rows.chain(top.as_deref())).collect();
        let mut users: HashMap<&str, usize> = HashMap::new();
        for chain in chains.iter().flatten() {
            *users.entry(chain).or_default() += 1;
        }
        let mut made_of: BTreeMap<&str, usize> = BTreeMap::new();
        for container in &rows.containers {
            *made_of.entry(&container.image).or_default() += 1;
        }
        let room = |((id, _), chain): (&(String, Option<String>), &Vec<&str>)| {
            let (own, others): (Vec<&str>, Vec<&str>) =
                chain.iter().copied().partition(|layer| users.get(layer) == Some(&1));
            ImageRoom {
                id: id.clone(),
                shared: others.iter().map(|l| rows.size(l)).sum(),
                unique: own.iter().map(|l| rows.size(l)).sum(),
                containers: made_of.get(id.as_str()).copied().unwrap_or(0),
            }
        };
        Ok(Account {
            images: rows.images.iter().zip(&chains).map(room).collect(),
            containers: self.container_rooms(&rows)?,
            layers: rows.layers.values().map(|(_, size)| size).sum(),
            reclaimable: rows.reclaimable(),
        })
    }

    fn container_rooms(&self, rows: &Rows) -> Result<Vec<ContainerRoom>> {
        let mut rooms = Vec::with_capacity(rows.containers.len());
        for row in &rows.containers {
            let size = match row.counted {
                Some(size) => size,
                None => of_container(self, &row.id)?.map_or(0, |usage| usage.content),
            };
            let (id, running) = (row.id.clone(), row.state == "running");
            rooms.push(ContainerRoom { id, size, running });
        }
        Ok(rooms)
    }

    fn rows(&self) -> Result<Rows> {
        self.store().read(|c| {
            let mut layers = c.prepare("SELECT chain_id, parent, content FROM layer")?;
            let layers =
                layers.query_map((), |r| Ok((r.get(0)?, (r.get(1)?, size(r, 2)?.unwrap_or(0)))))?;
            let mut images =
                c.prepare("SELECT id, top FROM image ORDER BY loaded DESC, rowid DESC")?;
            let images = images.query_map((), |r| Ok((r.get(0)?, r.get(1)?)))?;
            let mut containers = c.prepare(
                "SELECT id, image, base, state, content FROM container ORDER BY created DESC, id",
            )?;
            let containers = containers.query_map((), |r| {
                Ok(ContainerRow {
                    id: r.get(0)?,
                    image: r.get(1)?,
                    base: r.get(2)?,
                    state: r.get(3)?,
                    counted: size(r, 4)?,
                })
            })?;
            Ok(Rows {
                layers: layers.collect::<rusqlite::Result<_>>()?,
                images: images.collect::<rusqlite::Result<_>>()?,
                containers: containers.collect::<rusqlite::Result<_>>()?,
            })
        })
    }
}

fn size(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.and_then(|size| u64::try_from(size).ok()))
}

impl Rows {
    /// The layers from `top` down. A circle, which only damage makes, ends it.
    fn chain<'a>(&'a self, top: Option<&'a str>) -> Vec<&'a str> {
        let mut chain = Vec::new();
        let mut next = top;
        while let Some(layer) = next
            && chain.len() <= self.layers.len()
        {
            let Some((parent, _)) = self.layers.get(layer) else { break };
            chain.push(layer);
            next = parent.as_deref();
        }
        chain
    }

    fn size(&self, layer: &str) -> u64 {
        self.layers.get(layer).map_or(0, |(_, size)| *size)
    }

    fn reclaimable(&self) -> u64 {
        let mut needed: HashSet<&str> = HashSet::new();
        for container in &self.containers {
            needed.extend(self.chain(container.base.as_deref()));
        }
        let free = self.layers.iter().filter(|(chain, _)| !needed.contains(chain.as_str()));
        free.map(|(_, (_, size))| size).sum()
    }
}
