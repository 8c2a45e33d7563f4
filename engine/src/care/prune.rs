//! `image prune`: removing images that nobody needs by rules, not by name.

use std::time::SystemTime;

use super::account;
use crate::engine::Engine;
use crate::error::Result;
use crate::image::{Filter, Image, Name, Removed, clean_up, make_room};
use crate::store::{Durability, images, layers};

/// Which images go.
#[derive(Debug, Default)]
pub struct Which {
    /// Also those with names, if no container was made of them; else only
    /// those without.
    pub all: bool,
    /// Only those that were made before; by what the image says of itself.
    pub until: Option<SystemTime>,
    /// Only those that pass.
    pub filters: Vec<Filter>,
}

/// What went.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Names and images, in the order in which they went, and layers.
    pub removed: Vec<Removed>,
    /// Lengths of the files of the layers that went.
    pub bytes: u64,
}

impl Engine {
    /// Removes the images that nobody needs: without names, or with
    /// [`all`](Which::all) those that no container was made of.
    ///
    /// # Errors
    /// The store's and the driver's.
    pub fn prune_images(&self, which: &Which) -> Result<Pruned> {
        account::count_new(self)?;
        make_room(self)?;
        let candidates: Vec<_> =
            self.own_images()?.into_iter().filter(|i| which.takes(i)).collect();
        let mut pruned = Pruned::default();
        for image in &candidates {
            let id = image.id.to_string();
            // A container may have been made of it since.
            let gone = self.store().write(Durability::Full, |t| {
                let unused = images::containers(t, &id)?.is_empty();
                if unused {
                    images::remove(t, &id)?;
                }
                Ok::<_, crate::Error>(unused)
            })?;
            if gone {
                pruned.removed.extend(told(image));
            }
        }
        let sizes = self.store().read(layers::contents)?;
        for chain in clean_up(self)? {
            pruned.bytes += sizes.get(&chain).copied().unwrap_or(0);
            pruned.removed.push(Removed::Deleted(format!("sha256:{chain}")));
        }
        Ok(pruned)
    }
}

impl Which {
    fn takes(&self, image: &Image) -> bool {
        let old = |until| image.config.created().is_some_and(|created| created < until);
        (self.all || image.names.is_empty())
            && self.until.is_none_or(old)
            && self.filters.iter().all(|filter| filter.accepts(image))
    }
}

fn told(image: &Image) -> impl Iterator<Item = Removed> {
    let names = image.names.iter().map(Name::to_string);
    let digests = image.repo_digests.iter().map(|(r, d)| format!("{}@{d}", r.familiar()));
    let untagged = names.chain(digests).map(Removed::Untagged);
    untagged.chain([Removed::Deleted(image.id.to_string())])
}
