//! Which images are meant, and by which names they are saved.

use rusqlite::Connection;

use crate::error::Result;
use crate::image::find::{Image, find, load};
use crate::image::reference::{Name, Reference};
use crate::store::images;

/// An image to be saved.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) image: Image,
    /// In order, each once.
    pub(super) names: Vec<Name>,
    /// The manifests that it came with, each with its media type.
    pub(super) manifests: Vec<(String, Vec<u8>)>,
}

/// The images that are `given`, in the order in which they come first, each
/// once.
pub(super) fn select(connection: &Connection, given: &[String]) -> Result<Vec<Selected>> {
    let mut selected: Vec<Selected> = Vec::new();
    for given in given {
        for (image, name) in meant(connection, given)? {
            let at = selected.iter().position(|s| s.image.id == image.id);
            let index = match at {
                Some(index) => index,
                None => {
                    let manifests = images::manifests(connection, &image.id.to_string())?;
                    selected.push(Selected { image, names: Vec::new(), manifests });
                    selected.len() - 1
                }
            };
            if let Some(selected) = selected.get_mut(index) {
                selected.names.extend(name);
                selected.names.sort();
                selected.names.dedup();
            }
        }
    }
    Ok(selected)
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
