//! Images that are in the store, and finding the one that a user means.

use std::path::PathBuf;

use graphdriver_api::LayerId;
use rusqlite::Connection;

use super::config::Config;
use super::digest::{Digest, is_hex};
use super::reference::{Name, Reference, Repository};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::store::images::{self, ImageRow};
use crate::store::layers;

/// Digits that tables show of an id.
const SHORT: usize = 12;

/// An image in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The digest of its configuration.
    pub id: Digest,
    /// What it says of itself.
    pub config: Config,
    /// The driver's id of its topmost layer; `None` if it has no layers.
    pub top: Option<LayerId>,
    /// Bytes of file content of all its layers.
    pub size: u64,
    /// Its names, in order.
    pub names: Vec<Name>,
    /// Where it is known by a manifest's digest, in order.
    pub repo_digests: Vec<(Repository, String)>,
    /// When it last got a name: seconds since 1970.
    pub tagged: Option<i64>,
    /// The additional store that it is in; `None` if it is one of ours.
    pub store: Option<PathBuf>,
}

impl Engine {
    /// The image that `given` means: a name (with `latest` where it has no
    /// tag), a name with a digest, an id, or the beginning of an id. A name
    /// wins over the beginning of an id. What isn't here is looked for in the
    /// additional stores, in their order.
    ///
    /// Cost: some indexed queries.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::AmbiguousId`], [`Error::BadReference`];
    /// [`Error::NotLookedFor`] if a store couldn't be looked at.
    pub fn image(&self, given: &str) -> Result<Image> {
        match self.store().read(|c| load(c, &find(c, given)?)) {
            Err(Error::NoSuchImage(_)) => self.image_elsewhere(given),
            found => found,
        }
    }

    /// Every image, those that came last first, and then what is in the additional
    /// stores only. A name there that is another image's here isn't shown. A store
    /// that can't be used is told in the log.
    ///
    /// # Errors
    /// Only the store's own.
    pub fn images(&self) -> Result<Vec<Image>> {
        Ok(self.with_others(self.own_images()?))
    }

    /// Every image that is recorded here.
    ///
    /// # Errors
    /// Only the store's own.
    pub fn own_images(&self) -> Result<Vec<Image>> {
        self.store().read(|c| images::all(c)?.iter().map(|row| load(c, row)).collect())
    }
}

/// The row that `given` means.
pub(crate) fn find(connection: &Connection, given: &str) -> Result<ImageRow> {
    if let Some(hex) = given.strip_prefix("sha256:").filter(|hex| is_hex(hex) && !hex.is_empty()) {
        return by_prefix(connection, given, hex);
    }
    let reference = given.parse::<Reference>();
    let named = match &reference {
        Ok(reference) => by_reference(connection, reference)?,
        Err(_) => None,
    };
    if let Some(row) = named {
        return Ok(row);
    }
    match reference {
        _ if !given.is_empty() && is_hex(given) => by_prefix(connection, given, given),
        Ok(_) => Err(Error::NoSuchImage(given.to_owned())),
        Err(why) => Err(Error::BadReference { given: given.to_owned(), why }),
    }
}

/// The row that has this name, or is known by this digest. A tag beside a
/// digest doesn't matter.
fn by_reference(connection: &Connection, reference: &Reference) -> Result<Option<ImageRow>> {
    match (reference.digest(), reference.named()) {
        (Some(digest), _) => {
            images::by_digest(connection, reference.repository(), &digest.to_string())
        }
        (None, Some(name)) => images::by_name(connection, &name),
        (None, None) => Ok(None),
    }
}

fn by_prefix(connection: &Connection, given: &str, hex: &str) -> Result<ImageRow> {
    let mut rows = images::by_prefix(connection, &format!("sha256:{hex}"))?;
    match (rows.pop(), rows.is_empty()) {
        (None, _) => Err(Error::NoSuchImage(given.to_owned())),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            rows.push(last);
            let ids: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
            Err(Error::AmbiguousId { prefix: given.to_owned(), matches: shorten(&ids) })
        }
    }
}

/// Ids without their algorithm, cut to what tells them apart.
fn shorten(ids: &[&str]) -> Vec<String> {
    let hex = |id: &str| id.split_once(':').map_or(id, |(_, hex)| hex).to_owned();
    let full: Vec<String> = ids.iter().map(|id| hex(id)).collect();
    let cut: Vec<String> = full.iter().map(|h| h.chars().take(SHORT).collect()).collect();
    let distinct = cut.iter().collect::<std::collections::HashSet<_>>().len() == cut.len();
    if distinct { cut } else { full }
}

/// Everything that is known of a row.
pub(crate) fn load(connection: &Connection, row: &ImageRow) -> Result<Image> {
    let corrupt = |problem: String| Error::Corrupt {
        path: connection.path().unwrap_or_default().into(),
        problem: format!("image {}: {problem}", row.id),
    };
    let config = Config::parse(row.config.clone()).map_err(|e| corrupt(e.to_string()))?;
    if config.id().to_string() != row.id {
        return Err(corrupt("its configuration has another digest".to_owned()));
    }
    let top = row.top.as_deref().map(LayerId::new).transpose();
    let size = match &row.top {
        Some(top) => layers::chain(connection, top)?.iter().map(|l| l.size).sum(),
        None => 0,
    };
    Ok(Image {
        id: config.id().clone(),
        top: top.map_err(|e| corrupt(e.to_string()))?,
        size,
        names: images::names(connection, &row.id)?,
        repo_digests: images::repo_digests(connection, &row.id)?,
        tagged: row.tagged,
        store: None,
        config,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Durability, Root, Store};

    struct Fixture {
        _dir: tempfile::TempDir,
        store: Store,
        ids: Vec<Digest>,
    }

    /// Images whose configurations differ in a number; named `n0:latest`, ….
    fn fixture(count: u32) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Root::open(dir.path()).unwrap(), "vfs").unwrap();
        let ids = store
            .write(Durability::Full, |t| {
                (0..count)
                    .map(|n| {
                        let config = Config::parse(format!("{{\"n\":{n}}}").into()).unwrap();
                        let id = config.id().to_string();
                        images::insert(t, &id, config.raw(), None, 0)?;
                        let name = format!("n{n}").parse::<Reference>().unwrap().named().unwrap();
                        images::set_name(t, &name, &id, 1)?;
                        Ok::<_, Error>(config.id().clone())
                    })
                    .collect()
            })
            .unwrap();
        Fixture { _dir: dir, store, ids }
    }

    impl Fixture {
        fn id(&self, given: &str) -> Result<Digest> {
            self.store.read(|c| Ok(load(c, &find(c, given)?)?.id))
        }
    }

    #[test]
    fn names_ids_and_their_beginnings_are_found() {
        let f = fixture(3);
        let id = &f.ids[1];
        let full = id.to_string();
        for given in [
            "n1",
            "n1:latest",
            "docker.io/library/n1",
            &full,
            id.hex(),
            id.short(),
            full.get(..15).unwrap(),
        ] {
            assert_eq!(f.id(given).unwrap(), *id, "{given}");
        }
    }

    #[test]
    fn what_is_not_there_or_not_clear_is_said() {
        let f = fixture(40);
        assert!(matches!(f.id("n1:other"), Err(Error::NoSuchImage(_))));
        assert!(matches!(f.id(&"0".repeat(64)), Err(Error::NoSuchImage(_))));
        assert!(matches!(f.id("No/Such"), Err(Error::BadReference { .. })));
        assert!(matches!(f.id(""), Err(Error::BadReference { .. })));
        // Among 40 ids two share their first digit.
        let ambiguous = (0..16).find_map(|d| match f.id(&format!("{d:x}")) {
            Err(Error::AmbiguousId { matches, .. }) => Some(matches),
            _ => None,
        });
        assert!(ambiguous.unwrap().iter().all(|m| m.len() == SHORT));
    }

    #[test]
    fn a_name_wins_over_the_beginning_of_an_id() {
        let f = fixture(2);
        let prefix = f.ids[0].short();
        let name = prefix.parse::<Reference>().unwrap().named().unwrap();
        f.store
            .write(Durability::Later, |t| images::set_name(t, &name, &f.ids[1].to_string(), 2))
            .unwrap();
        assert_eq!(f.id(prefix).unwrap(), f.ids[1]);
        assert_eq!(f.id(f.ids[0].hex()).unwrap(), f.ids[0]);
    }

    #[test]
    fn ids_are_shortened_only_while_they_differ() {
        let (a, b) = ("0".repeat(64), format!("{}1", "0".repeat(63)));
        assert_eq!(shorten(&[&a, &format!("sha256:{b}")]), [a.clone(), b]);
        assert_eq!(shorten(&[&a, &"1".repeat(64)]), ["0".repeat(12), "1".repeat(12)]);
    }
}
