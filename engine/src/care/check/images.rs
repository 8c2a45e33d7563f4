//! Images: their configurations, their layers, and names.

use std::path::PathBuf;

use super::super::Site;
use super::super::finding::{Action, Finding};
use super::super::snapshot::{ImageRow, Snapshot};
use super::world::World;
use crate::error::Result;
use crate::image::{ChainId, Config};
use crate::store::DATABASE;
use crate::store::copies::{ImageCopy, Kind, if_whole, path_of, read_image};

pub(super) fn look(site: &Site<'_>, world: &World, rows: &Snapshot) -> Result<Vec<Finding>> {
    let looker = Looker { site, world, rows, database: site.engine_dir().join(DATABASE) };
    let mut found = Vec::new();
    for (id, row) in &rows.images {
        found.extend(looker.image(id, row)?);
    }
    found.extend(looker.names()?);
    Ok(found)
}

struct Looker<'a> {
    site: &'a Site<'a>,
    world: &'a World,
    rows: &'a Snapshot,
    database: PathBuf,
}

impl Looker<'_> {
    fn image(&self, id: &str, row: &ImageRow) -> Result<Option<Finding>> {
        let config = match Config::parse(row.config.clone()) {
            Ok(config) if config.id().to_string() == id => config,
            Ok(_) => {
                return self.bad_config(id, "its configuration has another digest").map(Some);
            }
            Err(_) => return self.bad_config(id, "its configuration can't be read").map(Some),
        };
        let chain = ChainId::all(config.diff_ids());
        let missing: Vec<_> =
            chain.iter().filter(|c| !self.rows.layers.contains_key(c.hex())).collect();
        let top = chain.last().map(|top| top.hex().to_owned());
        if missing.is_empty() && row.top == top {
            return Ok(None);
        }
        let what = match missing.first() {
            Some(first) => format!(
                "{} of its {} layers aren't recorded (the lowest is {})",
                missing.len(),
                chain.len(),
                first.hex().get(..12).unwrap_or_default()
            ),
            None => "its topmost layer isn't the one that its configuration names".to_owned(),
        };
        // Layers that the driver has are recorded first; then the next check
        // finds the image whole, or only its row wrong.
        let hopeless = missing.iter().any(|c| self.world.layer_node(c.hex()).is_none());
        let found = match hopeless {
            true => Finding::lost("image-incomplete", self.database.clone(), what)
                .hopeless(Action::ForgetImage(id.to_owned()), "nothing: load it again"),
            false => match self.good_copy(id)? {
                Some(copy) => Finding::wrong("image-incomplete", self.database.clone(), what)
                    .mend(Action::RestoreImage(Box::new(copy)), "record it again from its copy"),
                None => Finding::lost("image-incomplete", self.database.clone(), what)
                    .hopeless(Action::ForgetImage(id.to_owned()), "nothing: load it again"),
            },
        };
        Ok(Some(found.about(self.world.image(id))))
    }

    fn bad_config(&self, id: &str, what: &str) -> Result<Finding> {
        let path = self.database.clone();
        let found = match self.good_copy(id)? {
            Some(copy) => Finding::wrong("image-config", path, what)
                .mend(Action::RestoreImage(Box::new(copy)), "take it from its copy"),
            None => Finding::lost("image-config", path, what)
                .hopeless(Action::ForgetImage(id.to_owned()), "nothing: load it again"),
        };
        Ok(found.about(self.world.image(id)))
    }

    /// The copy of an image, if it is what its name says.
    fn good_copy(&self, id: &str) -> Result<Option<ImageCopy>> {
        let path = path_of(&self.site.engine_dir(), Kind::Image, id);
        Ok(if_whole(read_image(&path))?.filter(|copy| copy.id == id))
    }

    fn names(&self) -> Result<Vec<Finding>> {
        let tags = self.rows.tags.iter().map(|(r, t, i)| ("tag", format!("{r}:{t}"), i));
        let digests =
            self.rows.digests.iter().map(|(r, d, i)| ("repo_digest", format!("{r}@{d}"), i));
        let manifests = self.rows.manifests.iter().map(|(d, i)| ("manifest", d.clone(), i));
        let all = tags.chain(digests).chain(manifests);
        let dangling = all.filter(|(_, _, image)| !self.rows.images.contains_key(*image));
        dangling.map(|(table, name, image)| self.dangling(table, &name, image)).collect()
    }

    fn dangling(&self, table: &'static str, name: &str, image: &str) -> Result<Finding> {
        let what = format!("{name} is said to be the image {image}, and there is none");
        let found = Finding::wrong("name-dangling", self.database.clone(), what);
        let found = match self.good_copy(image)? {
            // The finding about the copy brings the image back.
            Some(copy) => {
                found.mend(Action::RestoreImage(Box::new(copy)), "record the image from its copy")
            }
            None => found.mend(
                Action::DropName(table, image.to_owned()),
                "take the name away: it means nothing",
            ),
        };
        Ok(found.about(self.world.image(image)))
    }
}
