//! Reading copies: of a store that may be damaged.

use std::fs;
use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::record::{ContainerCopy, ImageCopy};
use super::{Kind, all, path_of};

/// Why a copy can't be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It isn't there.
    Missing,
    /// It is damaged, or the medium fails.
    Damaged,
}

impl Unreadable {
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

/// Reads the copy of an image.
pub(crate) fn read_image(path: &Path) -> Result<ImageCopy, Unreadable> {
    read(path)
}

/// Reads the copy of a container.
pub(crate) fn read_container(path: &Path) -> Result<ContainerCopy, Unreadable> {
    read(path)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Unreadable> {
    let bytes = fs::read(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Unreadable::Missing,
        _ => Unreadable::Damaged,
    })?;
    serde_json::from_slice(&bytes).map_err(|_| Unreadable::Damaged)
}

/// Every image's copy, with the name of its file.
pub(crate) fn read_images(dir: &Path) -> Vec<(String, Result<ImageCopy, Unreadable>)> {
    each(dir, Kind::Image)
}

/// Every container's copy, with the name of its file.
pub(crate) fn read_containers(dir: &Path) -> Vec<(String, Result<ContainerCopy, Unreadable>)> {
    each(dir, Kind::Container)
}

fn each<T: DeserializeOwned>(dir: &Path, kind: Kind) -> Vec<(String, Result<T, Unreadable>)> {
    // A folder that can't be listed has no copies that could be read.
    let names = all(dir, kind).unwrap_or_default();
    let one = |name: String| {
        let copy = read(&path_of(dir, kind, &name));
        (name, copy)
    };
    names.into_iter().map(one).collect()
}
