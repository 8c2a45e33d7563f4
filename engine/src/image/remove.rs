//! Taking an image's names away, and the image with the last of them.

use rusqlite::Transaction;

use super::find::{find, load};
use super::lease;
use super::reference::{Name, Reference, Repository};
use super::{Digest, Image};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::store::{Durability, images, layers};

/// Something that removing an image did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// This name, or name with a digest, isn't the image's any more.
    Untagged(String),
    /// This image or layer is gone.
    Deleted(String),
}

impl Engine {
    /// Removes what `given` means: a name, and the image with its last name;
    /// or by its id an image with all its names.
    ///
    /// An image that a container uses isn't removed, unless by `force`: then
    /// the container keeps its layers. Nor is one with names in several
    /// repositories removed by its id without `force`. One that a running
    /// container uses is never removed.
    ///
    /// Layers that nothing needs any more are removed from the driver; while a
    /// load is running they stay until it ends.
    ///
    /// # Errors
    /// [`Error::Conflict`], and as [`Engine::image`]; nothing was changed then.
    pub fn remove_image(&self, given: &str, force: bool) -> Result<Vec<Removed>> {
        lease::make_room(self)?;
        let given = &*self.removable(given)?;
        let mut image_layers = Vec::new();
        let mut removed = self.store().write(Durability::Full, |t| {
            let image = load(t, &find(t, given)?)?;
            if let Some(top) = &image.top {
                image_layers = layers::chain(t, top.as_str())?;
            }
            remove(t, &image, given, force)
        })?;
        if removed.iter().any(|r| matches!(r, Removed::Deleted(_))) {
            let gone = lease::clean_up(self)?;
            let own = gone.iter().filter(|c| image_layers.iter().any(|l| l.chain_id == **c));
            removed.extend(own.map(|chain| Removed::Deleted(format!("sha256:{chain}"))));
        }
        Ok(removed)
    }
}

impl Engine {
    /// What to remove where `given` is said: a name that only an additional store
    /// knows may be of an image that is here.
    fn removable(&self, given: &str) -> Result<String> {
        let missing = match self.store().read(|c| find(c, given)) {
            Err(e @ Error::NoSuchImage(_)) => e,
            Err(e) => return Err(e),
            Ok(_) => return Ok(given.to_owned()),
        };
        // A store that can't be looked at is in nobody's way here.
        let Ok((store, row)) = self.find_elsewhere(given) else { return Err(missing) };
        let path = store.path().display();
        match self.own_image(&row.id)? {
            Some(own) if own.names.is_empty() => Ok(row.id),
            Some(own) => Err(Error::Conflict(format!(
                "{given} is a name in the read-only store {path}; here the image is called {}: \
                 remove it by that, or by its id",
                own.names.iter().map(Name::to_string).collect::<Vec<_>>().join(", ")
            ))),
            None => Err(Error::Conflict(format!(
                "can't remove {given}: it is in the read-only store {path}; who fills that store \
                 can remove it there"
            ))),
        }
    }
}

fn remove(t: &Transaction<'_>, image: &Image, given: &str, force: bool) -> Result<Vec<Removed>> {
    match name_meant(image, given) {
        Some(Meant::Name(name)) if image.names.len() > 1 => untag(t, image, &name),
        Some(Meant::Digest(repository, digest)) if !image.names.is_empty() => {
            images::remove_digest(t, &repository, &digest)?;
            Ok(vec![Removed::Untagged(format!("{}@{digest}", repository.familiar()))])
        }
        Some(_) => delete(t, image, given, force),
        None if one_repository(image) || force => delete(t, image, given, force),
        None => Err(Error::Conflict(format!(
            "image {} has names in several repositories ({}); remove them by name, or all with -f",
            image.id.short(),
            image.names.iter().map(Name::to_string).collect::<Vec<_>>().join(", ")
        ))),
    }
}

enum Meant {
    Name(Name),
    Digest(Repository, String),
}

/// The name that `given` is, `None` if it is an id or its beginning.
fn name_meant(image: &Image, given: &str) -> Option<Meant> {
    let reference: Reference = given.parse().ok()?;
    match (reference.digest(), reference.named()) {
        (Some(digest), _) => {
            Some(Meant::Digest(reference.repository().clone(), digest.to_string()))
        }
        (None, Some(name)) => image.names.contains(&name).then_some(Meant::Name(name)),
        (None, None) => None,
    }
}

fn one_repository(image: &Image) -> bool {
    image.names.windows(2).all(|two| match two {
        [a, b] => a.repository == b.repository,
        _ => true,
    })
}

/// Takes one of several names away.
fn untag(t: &Transaction<'_>, image: &Image, name: &Name) -> Result<Vec<Removed>> {
    images::remove_name(t, name)?;
    let mut removed = vec![Removed::Untagged(name.to_string())];
    let last = !image.names.iter().any(|n| n != name && n.repository == name.repository);
    if last {
        for (repository, digest) in digests_in(image, &name.repository) {
            images::remove_digest(t, repository, digest)?;
            removed.push(Removed::Untagged(format!("{}@{digest}", repository.familiar())));
        }
    }
    Ok(removed)
}

fn digests_in<'a>(
    image: &'a Image,
    repository: &'a Repository,
) -> impl Iterator<Item = (&'a Repository, &'a str)> {
    image.repo_digests.iter().filter(move |(r, _)| r == repository).map(|(r, d)| (r, d.as_str()))
}

/// Removes the image with all its names.
fn delete(t: &Transaction<'_>, image: &Image, given: &str, force: bool) -> Result<Vec<Removed>> {
    check_unused(t, &image.id, given, force)?;
    images::remove(t, &image.id.to_string())?;
    let names = image.names.iter().map(Name::to_string);
    let digests = image.repo_digests.iter().map(|(r, d)| format!("{}@{d}", r.familiar()));
    let untagged = names.chain(digests).map(Removed::Untagged);
    Ok(untagged.chain([Removed::Deleted(image.id.to_string())]).collect())
}

fn check_unused(t: &Transaction<'_>, id: &Digest, given: &str, force: bool) -> Result<()> {
    let Some((container, state)) = images::containers(t, &id.to_string())?.into_iter().next()
    else {
        return Ok(());
    };
    let short: String = container.chars().take(12).collect();
    let image = id.short();
    match state.as_str() {
        "running" => Err(Error::Conflict(format!(
            "can't remove {given}: the running container {short} uses its image {image}; stop the \
             container first"
        ))),
        _ if !force => Err(Error::Conflict(format!(
            "can't remove {given}: container {short} uses its image {image}; remove the container \
             first, or use -f to remove the image alone"
        ))),
        _ => Ok(()),
    }
}
