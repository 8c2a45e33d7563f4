//! Which names are one file, in both trees.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::at::{FileId, Kind, Meta};

use super::what::What;

/// The first name of each file with several, and what stands there in the
/// other tree. Names of one file in one tree must be those of one in the other.
#[derive(Debug, Default)]
pub(super) struct Links {
    expected: HashMap<FileId, (FileId, PathBuf)>,
    found: HashMap<FileId, (FileId, PathBuf)>,
}

impl Links {
    /// Takes note of a path, and tells if it is one file with others that it
    /// shouldn't be one with, or isn't with those that it should.
    pub(super) fn difference(
        &mut self,
        path: &Path,
        expected: &Meta,
        found: &Meta,
    ) -> Option<What> {
        let several = |meta: &Meta| meta.kind != Kind::Directory && meta.nlink > 1;
        if !several(expected) && !several(found) {
            return None;
        }
        let (should, is) = (expected.id, found.id);
        let first = |of: &mut HashMap<_, _>, id, other| {
            let (there, name): &mut (FileId, PathBuf) =
                of.entry(id).or_insert_with(|| (other, path.to_owned()));
            (*there != other).then(|| name.clone())
        };
        let unlinked = first(&mut self.expected, should, is).map(What::Unlinked);
        let linked = first(&mut self.found, is, should).map(What::Linked);
        unlinked.or(linked)
    }
}
