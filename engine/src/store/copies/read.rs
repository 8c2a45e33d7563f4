//! Reading copies: of a store that may be damaged. What the medium doesn't give now
//! is no damage: taken for it, an image whose copy can be read tomorrow would be
//! forgotten today.

use std::fs;
use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::record::{ContainerCopy, ImageCopy};
use super::{Kind, all, path_of};
use crate::error::{Error, Result};
use crate::fault;

/// Why a copy can't be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It isn't there.
    Missing,
    /// It isn't what we write.
    Damaged,
    /// It is there, and can't be read now.
    Failed(Error),
}

/// Reads the copy of an image.
pub(crate) fn read_image(path: &Path) -> std::result::Result<ImageCopy, Unreadable> {
    read(path)
}

/// Reads the copy of a container.
pub(crate) fn read_container(path: &Path) -> std::result::Result<ContainerCopy, Unreadable> {
    read(path)
}

/// A copy that is there and whole, or none.
///
/// # Errors
/// It is there, and can't be read now.
pub(crate) fn if_whole<T>(copy: std::result::Result<T, Unreadable>) -> Result<Option<T>> {
    match copy {
        Ok(copy) => Ok(Some(copy)),
        Err(Unreadable::Missing | Unreadable::Damaged) => Ok(None),
        Err(Unreadable::Failed(e)) => Err(e),
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> std::result::Result<T, Unreadable> {
    let read = fault::point("store.copy.read").and_then(|()| fs::read(path));
    let bytes = read.map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Unreadable::Missing,
        io::ErrorKind::IsADirectory => Unreadable::Damaged,
        _ => Unreadable::Failed(Error::io("read", path, e)),
    })?;
    serde_json::from_slice(&bytes).map_err(|_| Unreadable::Damaged)
}

/// Every image's copy that is whole.
///
/// # Errors
/// One is there, and can't be read now.
pub(crate) fn read_images(dir: &Path) -> Result<Vec<ImageCopy>> {
    each(dir, Kind::Image)
}

/// Every container's copy that is whole.
///
/// # Errors
/// As [`read_images`].
pub(crate) fn read_containers(dir: &Path) -> Result<Vec<ContainerCopy>> {
    each(dir, Kind::Container)
}

fn each<T: DeserializeOwned>(dir: &Path, kind: Kind) -> Result<Vec<T>> {
    let names = all(dir, kind)?;
    let copies = names.iter().map(|name| if_whole(read(&path_of(dir, kind, name))));
    copies.filter_map(Result::transpose).collect()
}
