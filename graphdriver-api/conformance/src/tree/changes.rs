//! The difference between two trees, as the contract defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use graphdriver_api::{Change, ChangeKind};

use crate::snapshot::{Kind, Snapshot};

/// What a driver tells of two trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The paths at which type, content or attributes differ, in path order.
    pub differing: Vec<Change>,
    /// Paths at which nothing differs but which names are one file. A driver
    /// may name them (as modified), and has to if its difference can't be
    /// applied without.
    pub relinked: BTreeSet<PathBuf>,
    /// Every path that is in both trees.
    common: BTreeSet<PathBuf>,
}

impl Changes {
    /// What is wrong with what a driver told, one line each. `exact` is
    /// [`Traits::exact_diff`](graphdriver_api::Traits::exact_diff): without
    /// it, paths that are in both trees and equal may be named as modified.
    #[must_use]
    pub fn faults_in(&self, told: &[Change], exact: bool) -> Vec<String> {
        let mut faults = Vec::new();
        for pair in told.windows(2) {
            if let [a, b] = pair
                && a.path >= b.path
            {
                faults.push(format!("{} comes before {}", show(a), show(b)));
            }
        }
        for missed in self.differing.iter().filter(|c| !told.contains(c)) {
            faults.push(format!("{} was not told", show(missed)));
        }
        let surplus = told.iter().filter(|c| !self.differing.contains(c) && !self.allows(c, exact));
        faults.extend(surplus.map(|c| format!("{} was told but isn't so", show(c))));
        faults
    }

    fn allows(&self, change: &Change, exact: bool) -> bool {
        change.kind == ChangeKind::Modified
            && !self.differing.iter().any(|c| c.path == change.path)
            && (self.relinked.contains(&change.path)
                || (!exact && self.common.contains(&change.path)))
    }
}

fn show(change: &Change) -> String {
    let kind = match change.kind {
        ChangeKind::Added => "added",
        ChangeKind::Modified => "modified",
        ChangeKind::Deleted => "deleted",
    };
    format!("{kind} {}", change.path.as_os_str().as_encoded_bytes().escape_ascii())
}

/// How `node` differs from `parent`. Both hold exact times.
#[must_use]
pub fn changes(parent: &Snapshot, node: &Snapshot) -> Changes {
    let mut paths: Vec<&Path> = parent.iter().chain(node.iter()).map(|(path, _)| path).collect();
    paths.sort_unstable();
    paths.dedup();
    let (before, after) = (Groups::of(parent), Groups::of(node));
    let mut found =
        Changes { differing: Vec::new(), relinked: BTreeSet::new(), common: BTreeSet::new() };
    // Nothing is told of what lay beneath a directory that is gone.
    let mut gone: Option<&Path> = None;
    for path in paths {
        if gone.is_some_and(|gone| path.starts_with(gone)) {
            continue;
        }
        let (old, new) = (parent.get(path), node.get(path));
        let was_directory = old.is_some_and(|e| e.kind == Kind::Directory);
        if was_directory && new.is_none_or(|e| e.kind != Kind::Directory) {
            gone = Some(path);
        }
        let kind = match (old, new) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Deleted,
            (Some(old), Some(new)) => {
                found.common.insert(path.to_owned());
                if !old.differs(new) {
                    if before.peers(path, node) != after.peers(path, parent) {
                        found.relinked.insert(path.to_owned());
                    }
                    continue;
                }
                ChangeKind::Modified
            }
        };
        found.differing.push(Change { path: path.to_owned(), kind });
    }
    found
}

/// Which names are one file.
struct Groups<'a> {
    tree: &'a Snapshot,
    by_first: BTreeMap<&'a Path, Vec<&'a Path>>,
}

impl<'a> Groups<'a> {
    fn of(tree: &'a Snapshot) -> Self {
        let mut by_first: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (path, _) in tree.iter() {
            by_first.entry(tree.first_name(path)).or_default().push(path);
        }
        Self { tree, by_first }
    }

    /// The names of the file at `path` that the other tree has too.
    fn peers(&self, path: &Path, other: &Snapshot) -> Vec<&'a Path> {
        let names = self.by_first.get(self.tree.first_name(path));
        names.into_iter().flatten().filter(|name| other.get(name).is_some()).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Entry;
    use ChangeKind::{Added, Deleted, Modified};

    fn list(of: &[(&str, ChangeKind)]) -> Vec<Change> {
        of.iter().map(|(path, kind)| Change { path: path.into(), kind: *kind }).collect()
    }

    #[test]
    fn only_what_differs_is_told_and_nothing_beneath_what_is_gone() {
        let file = || Entry::file(b"1").mtime(5, 5);
        let dir = || Entry::directory().mtime(1, 1);
        let parent = Snapshot::new()
            .with("dir", dir())
            .with("dir/a", file())
            .with("same", file())
            .with("tofile", dir())
            .with("tofile/x", file())
            .with("todir", file())
            .with("touched", file());
        let node = Snapshot::new()
            .with("same", file())
            .with("todir", dir())
            .with("todir/x", file())
            .with("tofile", file())
            .with("touched", file().mtime(5, 6));
        let expected = list(&[
            ("dir", Deleted),
            ("todir", Modified),
            ("todir/x", Added),
            ("tofile", Modified),
            ("touched", Modified),
        ]);
        assert_eq!(changes(&parent, &node).differing, expected);
    }

    #[test]
    fn a_change_of_links_alone_may_be_told() {
        let file = || Entry::file(b"1").mtime(5, 5);
        let parent = Snapshot::new().with("a", file()).link("b", "a").link("c", "a");
        let node = Snapshot::new().with("a", file()).with("b", file()).link("d", "a");
        let found = changes(&parent, &node);
        assert_eq!(found.differing, list(&[("c", Deleted), ("d", Added)]));
        assert_eq!(found.relinked, BTreeSet::from(["a".into(), "b".into()]));
        let more_names = changes(&parent, &parent.clone().link("d", "a"));
        assert_eq!(more_names.relinked, BTreeSet::new());
        assert_eq!(more_names.differing, list(&[("d", Added)]));
    }

    #[test]
    fn each_way_to_tell_it_wrong_is_found() {
        let file = || Entry::file(b"1").mtime(5, 5);
        let parent = Snapshot::new().with("a", file()).with("b", file()).with("c", file());
        let node = parent.clone().without("a").with("b", file().mode(0o600)).with("d", file());
        let right = changes(&parent, &node);
        let told = [("a", Deleted), ("b", Modified), ("c", Modified), ("d", Added)];
        assert_eq!(right.faults_in(&list(&told), false), Vec::<String>::new());
        assert_eq!(
            right.faults_in(&list(&told), true),
            ["modified c was told but isn't so"],
            "exact"
        );
        assert_eq!(
            right.faults_in(&list(&[("b", Modified), ("a", Deleted), ("d", Added)]), true),
            ["modified b comes before deleted a"]
        );
        assert_eq!(
            right.faults_in(&list(&[("a", Deleted), ("b", Added), ("d", Added)]), false),
            ["modified b was not told", "added b was told but isn't so"]
        );
    }
}
