//! Making a lost database again: from the copies of its records, from what can
//! still be read of it, and from what the driver has.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::Path;

use graphdriver_api::{NodeId, NodeInfo};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::Site;
use super::repair::quarantine;
use super::snapshot::Database;
use crate::container::is_init_layer;
use crate::error::{Error, Result};
use crate::store::copies::{self, ContainerCopy, ImageCopy};
use crate::store::layers::LayerRow;
use crate::store::lock::Exclusive;
use crate::store::{DATABASE, Durability, Root, Store, layers, schema};

/// What the new database is called until it is complete.
const NEW: &str = "metadata.db.new";

/// Makes the database of `site` again. The old one goes to the quarantine.
pub(super) fn rebuild(site: &Site<'_>) -> Result<()> {
    // Makes the folder, should it be gone too.
    let root = Root::open(site.root)?;
    let dir = root.engine_dir(site.driver)?;
    {
        let _alone = Exclusive::wait(&dir)?;
        let known = Salvaged::of(&dir)?;
        let nodes = site.care.check(&site.driver_root(), &mut |_| ControlFlow::Continue(()))?;
        make(&dir, &known, &nodes)?;
        for name in [DATABASE, "metadata.db-wal", "metadata.db-shm", "metadata.db-journal"] {
            let path = dir.join(name);
            if path.try_exists().map_err(|e| Error::io("look at", &path, e))? {
                quarantine(site.root, &path)?;
            }
        }
        fs::rename(dir.join(NEW), dir.join(DATABASE))
            .and_then(|()| File::open(&dir)?.sync_all())
            .map_err(|e| Error::io("put the new database in", &dir, e))?;
    }
    // Writes the copies that are missing.
    Store::open(&root, site.driver)?.write(Durability::Full, |_| Ok::<_, Error>(()))
}

/// What is known of images and containers.
struct Salvaged {
    images: BTreeMap<String, ImageCopy>,
    containers: BTreeMap<String, ContainerCopy>,
}

impl Salvaged {
    /// The copies; where there is none, the old database if it can be read.
    fn of(dir: &Path) -> Result<Self> {
        let images = copies::read_images(dir)?.into_iter();
        let containers = copies::read_containers(dir)?.into_iter();
        let mut salvaged = Self {
            images: images.map(|copy| (copy.id.clone(), copy)).collect(),
            containers: containers.map(|copy| (copy.id.clone(), copy)).collect(),
        };
        if let Err(e) = salvaged.add_old(dir) {
            tracing::debug!("nothing can be read of the old database: {}", e.report());
        }
        Ok(salvaged)
    }

    fn add_old(&mut self, dir: &Path) -> Result<()> {
        let Some(old) = Database::open(dir)? else { return Ok(()) };
        let rows = old.read()?;
        for id in rows
            .images
            .keys()
            .filter(|id| !self.images.contains_key(*id))
            .cloned()
            .collect::<Vec<_>>()
        {
            if let Some(image) = ImageCopy::read(old.connection(), &id)? {
                self.images.insert(id, image);
            }
        }
        for id in rows.containers.keys() {
            if !self.containers.contains_key(id)
                && let Some(container) = ContainerCopy::read(old.connection(), id)?
            {
                self.containers.insert(id.clone(), container);
            }
        }
        Ok(())
    }
}

fn make(dir: &Path, known: &Salvaged, nodes: &[NodeInfo]) -> Result<()> {
    let path = dir.join(NEW);
    for leftover in [NEW, "metadata.db.new-wal", "metadata.db.new-shm"] {
        match fs::remove_file(dir.join(leftover)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", dir.join(leftover), e));
            }
            _ => {}
        }
    }
    let mut connection = Connection::open(&path)?;
    schema::upgrade(&mut connection)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Listings show those that came last first.
    let mut images: Vec<_> = known.images.values().collect();
    images.sort_by_key(|image| image.loaded);
    for image in images {
        insert_image(&change, image)?;
    }
    init_layers(&change, nodes)?;
    for container in known.containers.values() {
        insert_container(&change, container)?;
    }
    change.commit()?;
    // Everything into the one file that is renamed.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
    connection.close().map_err(|(_, e)| e)?;
    File::open(&path).and_then(|f| f.sync_all()).map_err(|e| Error::io("flush", path, e))
}

/// The layers between images and containers are known by their names.
fn init_layers(change: &Transaction<'_>, nodes: &[NodeInfo]) -> Result<()> {
    let known = layers::all(change)?;
    for node in nodes {
        let NodeId::Layer(id) = &node.id else { continue };
        let parent = node.parent.as_ref().map(|p| p.as_str().to_owned());
        if is_init_layer(id.as_str()) && parent.as_ref().is_none_or(|p| known.contains(p)) {
            let chain_id = id.as_str().to_owned();
            let row = LayerRow { chain_id, diff_id: String::new(), parent, size: 0 };
            layers::insert(change, &row)?;
        }
    }
    Ok(())
}

/// Records an image with its layers, as its copy says. What is recorded of it
/// already is replaced; a name that another image has stays that one's.
pub(super) fn insert_image(change: &Transaction<'_>, image: &ImageCopy) -> Result<()> {
    let mut parent: Option<String> = None;
    for layer in &image.layers {
        layers::insert(
            change,
            &LayerRow {
                chain_id: layer.chain_id.clone(),
                diff_id: layer.diff_id.clone(),
                parent: parent.take(),
                size: layer.size,
            },
        )?;
        parent = Some(layer.chain_id.clone());
    }
    change.execute(
        "INSERT INTO image (id, config, top, loaded, tagged) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET config = excluded.config, top = excluded.top",
        (&image.id, image.config.as_bytes(), parent, image.loaded, image.tagged),
    )?;
    for (repository, tag) in &image.names {
        change.execute(
            "INSERT INTO tag (repository, tag, image) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            (repository, tag, &image.id),
        )?;
    }
    for (repository, digest) in &image.digests {
        change.execute(
            "INSERT INTO repo_digest (repository, digest, image) VALUES (?1, ?2, ?3)
             ON CONFLICT DO NOTHING",
            (repository, digest, &image.id),
        )?;
    }
    for manifest in &image.manifests {
        change.execute(
            "INSERT INTO manifest (digest, image, media_type, content) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
            (&manifest.digest, &image.id, &manifest.media_type, manifest.content.as_bytes()),
        )?;
    }
    Ok(())
}

/// Records a container as its copy says, if the layer that it stands on is
/// recorded.
pub(super) fn insert_container(change: &Transaction<'_>, copy: &ContainerCopy) -> Result<()> {
    let base = copy.base.as_deref();
    if let Some(base) = base
        && layers::size(change, base)?.is_none()
    {
        return Ok(());
    }
    change.execute(
        "INSERT INTO container (id, name, image, base, state, created, record)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET record = excluded.record, state = excluded.state",
        (&copy.id, &copy.name, &copy.image, base, &copy.state, copy.created, &copy.record),
    )?;
    Ok(())
}
