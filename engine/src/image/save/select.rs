//! Which images are meant, and by which names they are saved.

use rusqlite::Connection;

use crate::additional::Additional;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::image::find::{Image, find, load};
use crate::image::reference::{Name, Reference};
use crate::store::images;

/// An image to be saved.
#[derive(Debug)]
pub(super) struct Selected<'e> {
    pub(super) image: Image,
    /// In order, each once.
    pub(super) names: Vec<Name>,
    /// The manifests that it came with, each with its media type.
    pub(super) manifests: Vec<(String, Vec<u8>)>,
    /// The additional store that it was found in.
    pub(super) store: Option<&'e Additional>,
}

/// The images that are `given`, in the order in which they come first, each
/// once.
pub(super) fn select<'e>(engine: &'e Engine, given: &[String]) -> Result<Vec<Selected<'e>>> {
    let mut selected: Vec<Selected<'e>> = Vec::new();
    for given in given {
        for one in meant_anywhere(engine, given)? {
            match selected.iter_mut().find(|s| s.image.id == one.image.id) {
                Some(known) => {
                    known.names.extend(one.names);
                    known.names.sort();
                    known.names.dedup();
                }
                None => selected.push(one),
            }
        }
    }
    Ok(selected)
}

/// Here, or else in the first of the additional stores that knows it.
fn meant_anywhere<'e>(engine: &'e Engine, given: &str) -> Result<Vec<Selected<'e>>> {
    match engine.store().read(|c| read(c, given, None)) {
        Err(Error::NoSuchImage(_)) => {
            let (store, _) = engine.find_elsewhere(given)?;
            store.read(|c| read(c, given, Some(store)))
        }
        found => found,
    }
}

fn read<'e>(
    connection: &Connection,
    given: &str,
    store: Option<&'e Additional>,
) -> Result<Vec<Selected<'e>>> {
    let selected = |(image, name): (Image, Option<Name>)| {
        let manifests = images::manifests(connection, &image.id.to_string())?;
        Ok(Selected { image, names: name.into_iter().collect(), manifests, store })
    };
    meant(connection, given)?.into_iter().map(selected).collect()
}

fn meant(connection: &Connection, given: &str) -> Result<Vec<(Image, Option<Name>)>> {
    let reference: Option<Reference> = given.parse().ok();
    if let Some(reference) = &reference
        && reference.tag().is_none()
        && reference.digest().is_none()
    {
        let rows = images::in_repository(connection, reference.repository())?;
        if !rows.is_empty() {
            let image = |(name, row)| Ok((load(connection, &row)?, Some(name)));
            return rows.into_iter().map(image).collect();
        }
    }
    let image = load(connection, &find(connection, given)?)?;
    let name = reference.and_then(|r| r.named()).filter(|name| image.names.contains(name));
    Ok(vec![(image, name)])
}
