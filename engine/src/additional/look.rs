//! Looking for images: here first, and then in the other stores.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::Additional;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::image::{Image, Name, find, load_row};
use crate::store::images::{self, ImageRow};

impl Engine {
    /// The row that `given` means in the first of the other stores that has it, and
    /// which of them that is.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`]; [`Error::NotLookedFor`] names the stores that couldn't
    /// be looked at; [`Error::AmbiguousId`].
    pub(crate) fn find_elsewhere(&self, given: &str) -> Result<(&Additional, ImageRow)> {
        let mut unseen = Vec::new();
        for store in self.additional() {
            match store.read(|c| find(c, given)) {
                Ok(row) => return Ok((store, row)),
                Err(Error::NoSuchImage(_)) => {}
                Err(e @ Error::Additional { .. }) => unseen.push(e.report()),
                Err(e) => return Err(e),
            }
        }
        match unseen.is_empty() {
            true => Err(Error::NoSuchImage(given.to_owned())),
            false => {
                Err(Error::NotLookedFor { given: given.to_owned(), unseen: unseen.join("; ") })
            }
        }
    }

    /// Runs `here` on our own records, and if the image isn't there `elsewhere` on
    /// those of the first store that has it.
    pub(crate) fn looking<T>(
        &self,
        given: &str,
        work: impl Fn(&Connection, &ImageRow) -> Result<T>,
    ) -> Result<(T, Option<&Additional>)> {
        let own = self.store().read(|c| {
            let row = find(c, given)?;
            work(c, &row)
        });
        match own {
            Err(Error::NoSuchImage(_)) => {
                let (store, row) = self.find_elsewhere(given)?;
                Ok((store.read(|c| work(c, &row))?, Some(store)))
            }
            own => Ok((own?, None)),
        }
    }

    /// As [`Engine::image`], in the other stores. One that is here too, under another
    /// name, is ours.
    pub(crate) fn image_elsewhere(&self, given: &str) -> Result<Image> {
        let (store, row) = self.find_elsewhere(given)?;
        let theirs = store.read(|c| load_row(c, &row))?;
        match self.own_image(&row.id)? {
            Some(own) => Ok(Image {
                names: merged(own.names, theirs.names),
                repo_digests: merged(own.repo_digests, theirs.repo_digests),
                ..own
            }),
            None => Ok(Image { store: Some(store.path().to_owned()), ..theirs }),
        }
    }

    /// The own image of exactly this id.
    pub(crate) fn own_image(&self, id: &str) -> Result<Option<Image>> {
        self.store().read(|c| {
            let row = images::by_prefix(c, id)?.into_iter().find(|row| row.id == id);
            row.map(|row| load_row(c, &row)).transpose()
        })
    }

    /// Adds the images of the other stores to our own. What is here already gets the
    /// names that it has there; a name that means another image here isn't theirs.
    pub(crate) fn with_others(&self, own: Vec<Image>) -> Vec<Image> {
        let mut all = Gathered::new(own);
        for store in self.additional() {
            match store.read(read_all) {
                Ok(theirs) => theirs.into_iter().for_each(|image| all.add(store, image)),
                Err(e) => tracing::warn!("{}", e.report()),
            }
        }
        all.images
    }
}

/// Every image of a store; those that are damaged there are left out.
fn read_all(c: &Connection) -> Result<Vec<Image>> {
    let mut found = Vec::new();
    for row in images::all(c)? {
        match load_row(c, &row) {
            Ok(image) => found.push(image),
            Err(e) => tracing::warn!("an image of an additional store: {}", e.report()),
        }
    }
    Ok(found)
}

/// Images of several stores, each once.
struct Gathered {
    images: Vec<Image>,
    at: HashMap<String, usize>,
    names: HashSet<Name>,
}

impl Gathered {
    fn new(own: Vec<Image>) -> Self {
        let at = own.iter().enumerate().map(|(n, image)| (image.id.to_string(), n)).collect();
        let names = own.iter().flat_map(|image| image.names.iter().cloned()).collect();
        Self { images: own, at, names }
    }

    fn add(&mut self, store: &Additional, mut image: Image) {
        image.names.retain(|name| self.names.insert(name.clone()));
        let id = image.id.to_string();
        match self.at.get(&id).and_then(|at| self.images.get_mut(*at)) {
            Some(known) => {
                known.names = merged(std::mem::take(&mut known.names), image.names);
                let digests = std::mem::take(&mut known.repo_digests);
                known.repo_digests = merged(digests, image.repo_digests);
            }
            None => {
                self.at.insert(id, self.images.len());
                self.images.push(Image { store: Some(store.path().to_owned()), ..image });
            }
        }
    }
}

fn merged<T: Ord>(mut some: Vec<T>, more: Vec<T>) -> Vec<T> {
    some.extend(more);
    some.sort();
    some.dedup();
    some
}
