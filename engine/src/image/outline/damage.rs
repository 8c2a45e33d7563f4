//! In what a layer isn't what its archive says, as it is told.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use sapwood_kit::compare::{Difference, What};

/// How many differences of a layer are told one by one.
const SHOWN: usize = 20;

/// Of what sort a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Sort {
    /// Other bytes.
    Content,
    /// Something is gone.
    Missing,
    /// Something is there that the archive doesn't bring.
    Extra,
    /// Anything else: attributes, the target of a link, the type.
    Attributes,
}

/// The differences of one layer.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    /// The first of them, in words.
    shown: Vec<(Sort, String)>,
    /// How many there are beyond those.
    more: u64,
    /// Where they are, and whether all that is beneath differs with it.
    paths: BTreeMap<PathBuf, bool>,
}

impl Damage {
    /// The first differences, each of its sort and one clause.
    pub(crate) fn shown(&self) -> &[(Sort, String)] {
        &self.shown
    }

    /// How many there are beyond those.
    pub(crate) fn more(&self) -> u64 {
        self.more
    }

    /// Whether nothing differs, on account of the layer beneath either.
    pub(crate) fn is_untouched(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether nothing of the layer itself differs.
    pub(crate) fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// A file whose bytes aren't those of the archive.
    pub(super) fn add_file(&mut self, path: &Path, problem: &str) {
        self.paths.insert(path.to_owned(), false);
        self.tell(Sort::Content, format!("its file {path:?} is damaged: {problem}"));
    }

    /// A path that differs; it is told unless it is the matter of the layer
    /// beneath, whose damage is `beneath`.
    pub(super) fn add(&mut self, difference: &Difference, beneath: &Self) {
        let path = &difference.path;
        if !beneath.covers(path) {
            self.tell(sort(difference), difference.to_string());
        }
        self.paths.insert(path.clone(), difference.is_of_all_beneath());
    }

    fn tell(&mut self, sort: Sort, words: String) {
        match self.shown.len() < SHOWN {
            true => self.shown.push((sort, words)),
            false => self.more += 1,
        }
    }

    fn covers(&self, path: &Path) -> bool {
        path.ancestors().any(|above| {
            let known = self.paths.get(above);
            known.is_some_and(|whole| *whole || above == path)
        })
    }
}

fn sort(difference: &Difference) -> Sort {
    match difference.all.first() {
        Some(What::Missing(_)) => Sort::Missing,
        Some(What::Extra(_)) => Sort::Extra,
        _ if difference.is_of_content() => Sort::Content,
        _ => Sort::Attributes,
    }
}

/// A path as trees are walked by, of one as an archive may spell it.
pub(super) fn plain(path: &[u8]) -> PathBuf {
    let path = Path::new(OsStr::from_bytes(path));
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}
