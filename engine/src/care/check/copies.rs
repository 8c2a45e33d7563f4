//! The copies of records beside the database.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::Site;
use super::super::finding::{Action, Finding};
use super::super::snapshot::{Database, Snapshot};
use super::world::World;
use crate::error::Result;
use crate::image::{ChainId, Config};
use crate::store::copies::{
    self, ContainerCopy, Held, ImageCopy, Kind, Unreadable, hold_still, if_whole, left_pending,
    path_of, read_container, read_image,
};
use crate::store::lock::Watch;

pub(super) fn look(site: &Site<'_>, world: &World, rows: &Snapshot) -> Result<Vec<Finding>> {
    let dir = site.engine_dir();
    if rows.format < 2 {
        return Ok(Vec::new());
    }
    let Some(_held) = held(&dir)? else {
        let what = "the copies of the records are missing";
        let found = Finding::wrong("copies-missing", dir.join(Kind::Image.folder()), what);
        return Ok(vec![
            found.mend(Action::WriteCopy(Kind::Image, String::new()), "write them again"),
        ]);
    };
    let pending = left_pending(&dir)?;
    let mut found: Vec<_> = pending.iter().map(|(_, id)| unfinished(site, id)).collect();
    let Some(database) = Database::open(&dir)? else { return Ok(found) };
    let looker = Looker { site, world, database: &database };
    let busy = |kind, id: &str| pending.iter().any(|(k, i)| (*k, i.as_str()) == (kind, id));
    // Rows as they are now that nobody changes copies.
    let now = database.read()?;
    for id in now.images.keys().filter(|id| !busy(Kind::Image, hex(id))) {
        found.extend(looker.image(id)?);
    }
    for id in now.containers.keys().filter(|id| !busy(Kind::Container, id)) {
        found.extend(looker.container(id)?);
    }
    let known: BTreeSet<&str> = now.images.keys().map(|id| hex(id)).collect();
    for name in copies::all(&dir, Kind::Image)? {
        if !known.contains(name.as_str()) && !busy(Kind::Image, &name) {
            found.push(looker.unrecorded(&name)?);
        }
    }
    for name in copies::all(&dir, Kind::Container)? {
        if !now.containers.contains_key(&name) && !busy(Kind::Container, &name) {
            found.extend(looker.unrecorded_container(&name));
        }
    }
    Ok(found)
}

/// As [`hold_still`]. Who makes a store makes the database first, under the lock
/// that is waited for here.
fn held(dir: &Path) -> Result<Option<Held>> {
    if let Some(held) = hold_still(dir)? {
        return Ok(Some(held));
    }
    let _nobody_makes_it = Watch::take(dir)?;
    hold_still(dir)
}

fn hex(id: &str) -> &str {
    id.split_once(':').map_or(id, |(_, hex)| hex)
}

fn unfinished(site: &Site<'_>, id: &str) -> Finding {
    let what = format!("the copy of {id} wasn't put in its place");
    Finding::leftover("copy-pending", site.engine_dir().join("pending"), what)
        .mend(Action::Open, "write it again, as the next command does")
}

struct Looker<'a> {
    site: &'a Site<'a>,
    world: &'a World,
    database: &'a Database,
}

impl Looker<'_> {
    fn image(&self, id: &str) -> Result<Option<Finding>> {
        let path = path_of(&self.site.engine_dir(), Kind::Image, id);
        let Some(row) = ImageCopy::read(self.database.connection(), id)? else { return Ok(None) };
        let problem = match read_image(&path) {
            Ok(copy) if copy.agrees_with(&row) => return Ok(None),
            // What is wrong with the row is told elsewhere, and the copy is
            // what it is mended from.
            Ok(_) if !is_sound(&row) => return Ok(None),
            Ok(_) => "differs from its record",
            Err(Unreadable::Missing) => "is missing",
            Err(Unreadable::Damaged) => "is damaged",
            Err(Unreadable::Failed(e)) => return Err(e),
        };
        let found = Finding::wrong("copy", path, format!("the copy of its record {problem}"));
        let action = Action::WriteCopy(Kind::Image, hex(id).to_owned());
        Ok(Some(found.mend(action, "write it again").about(self.world.image(id))))
    }

    fn container(&self, id: &str) -> Result<Option<Finding>> {
        let path = path_of(&self.site.engine_dir(), Kind::Container, id);
        let Some(row) = ContainerCopy::read(self.database.connection(), id)? else {
            return Ok(None);
        };
        let problem = match read_container(&path) {
            Ok(copy) if copy == row => return Ok(None),
            Ok(_) if crate::container::record_problem(&row.record).is_some() => return Ok(None),
            Ok(_) => "differs from its record",
            Err(Unreadable::Missing) => "is missing",
            Err(Unreadable::Damaged) => "is damaged",
            Err(Unreadable::Failed(e)) => return Err(e),
        };
        let found = Finding::wrong("copy", path, format!("the copy of its record {problem}"));
        let action = Action::WriteCopy(Kind::Container, id.to_owned());
        Ok(Some(found.mend(action, "write it again").about(self.world.container(id))))
    }

    /// A copy of an image that isn't recorded: its row was lost.
    fn unrecorded(&self, name: &str) -> Result<Finding> {
        let path = path_of(&self.site.engine_dir(), Kind::Image, name);
        let complete = |copy: &ImageCopy| {
            copy.layers.iter().all(|l| self.world.layer_node(&l.chain_id).is_some())
        };
        Ok(match if_whole(read_image(&path))? {
            Some(copy) if hex(&copy.id) == name && complete(&copy) => {
                let subject = self.world.image(&copy.id);
                Finding::wrong("image-unrecorded", path, "its copy is there, and no record")
                    .mend(Action::RestoreImage(Box::new(copy)), "record it from its copy")
                    .about(subject)
            }
            _ => Finding::wrong("stray", path, "the copy of an image that isn't here").set_aside(),
        })
    }

    /// The same for a container. With its tree, that is what is told.
    fn unrecorded_container(&self, id: &str) -> Option<Finding> {
        let draft = graphdriver_api::DraftId::new(id).ok()?;
        if self.world.nodes.contains_key(&graphdriver_api::NodeId::Draft(draft)) {
            return None;
        }
        let path = path_of(&self.site.engine_dir(), Kind::Container, id);
        Some(Finding::wrong("stray", path, "the copy of a container that isn't here").set_aside())
    }
}

/// Whether an image's rows say what its id says, and its layers' rows too.
fn is_sound(row: &ImageCopy) -> bool {
    let Ok(config) = Config::parse(row.config.clone().into_bytes()) else { return false };
    let chain = ChainId::all(config.diff_ids());
    let recorded = row.layers.iter().map(|layer| layer.chain_id.as_str());
    config.id().to_string() == row.id && recorded.eq(chain.iter().map(ChainId::hex))
}
