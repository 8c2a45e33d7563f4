//! Which paths the archive itself has brought, so that a whiteout that comes
//! later doesn't hide them.
//!
//! Paths are kept as two keyed 64-bit hashes: an archive can't make them
//! collide without knowing the keys, and long paths cost no more than short
//! ones.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::OsStr;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::ffi::OsStrExt;

/// How the archive has brought a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// As an entry.
    Named,
    /// As a directory on the way to an entry.
    Passed,
}

/// The paths.
#[derive(Debug, Default)]
pub(super) struct Placed {
    keys: [RandomState; 2],
    states: HashMap<[u64; 2], State>,
}

impl Placed {
    /// What is known of the path that these components make.
    pub(super) fn get<'a>(&self, path: impl Iterator<Item = &'a OsStr>) -> Option<State> {
        self.states.get(&self.hash(path)).copied()
    }

    /// Notes a path, and tells what was known of it before; one that has been
    /// named stays so.
    pub(super) fn insert<'a>(
        &mut self,
        path: impl Iterator<Item = &'a OsStr>,
        state: State,
    ) -> Option<State> {
        let hash = self.hash(path);
        match self.states.entry(hash) {
            Entry::Vacant(new) => {
                new.insert(state);
                None
            }
            Entry::Occupied(mut known) => {
                let before = *known.get();
                if state == State::Named {
                    known.insert(state);
                }
                Some(before)
            }
        }
    }

    fn hash<'a>(&self, path: impl Iterator<Item = &'a OsStr>) -> [u64; 2] {
        let mut hashers = self.keys.each_ref().map(BuildHasher::build_hasher);
        for name in path {
            for hasher in &mut hashers {
                hasher.write(name.as_bytes());
                // No name holds it, so no two paths give the same bytes.
                hasher.write_u8(b'/');
            }
        }
        hashers.map(|hasher| hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart_by_component() {
        let mut placed = Placed::default();
        let path = |p: &'static str| p.split('/').map(OsStr::new);
        placed.insert(path("a/bc"), State::Named);
        placed.insert(path("a"), State::Passed);
        placed.insert(path("a/bc"), State::Passed);
        assert_eq!(placed.get(path("a/bc")), Some(State::Named));
        assert_eq!(placed.get(path("a")), Some(State::Passed));
        assert_eq!(placed.get(path("ab/c")), None);
        assert_eq!(placed.get(path("a/b")), None);
        placed.insert(path("a"), State::Named);
        assert_eq!(placed.get(path("a")), Some(State::Named));
    }
}
