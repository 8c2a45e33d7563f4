//! Files with several names, in both trees.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use graphdriver_api::{ChangeKind, Op, Result};
use rustix::io::Errno;

use super::Trees;
use super::equal::{Look, same};
use super::walk::{Located, Pair, Touched, walk_touched};
use crate::at::{Context, FileId, Kind, Meta};
use crate::deep;

/// The names of each file that has several.
#[derive(Debug, Default)]
struct Groups {
    files: HashMap<FileId, Vec<Name>>,
    /// How many names each of them has, wherever they are.
    counts: HashMap<FileId, u64>,
}

#[derive(Debug)]
struct Name {
    path: PathBuf,
    /// Whether something stands there in the other tree too.
    common: bool,
    /// Which file stands there in the other tree, if it is one with several
    /// names or may have been.
    other: Option<FileId>,
}

impl Groups {
    fn add(&mut self, path: &Path, file: Option<&Located<'_>>, other: Option<&Located<'_>>) {
        let Some(file) = file.filter(|f| f.meta.kind != Kind::Directory) else { return };
        let many = |l: &Located<'_>| l.meta.nlink > 1 && l.meta.kind != Kind::Directory;
        if many(file) || other.is_some_and(many) {
            let names = self.files.entry(file.meta.id).or_default();
            let (common, other) = (other.is_some(), other.map(|o| o.meta.id));
            names.push(Name { path: path.to_owned(), common, other });
            self.counts.insert(file.meta.id, file.meta.nlink);
        }
    }

    /// Whether all names are known of each file of which one matters.
    fn is_complete(&self, matters: impl Fn(&Name) -> bool) -> bool {
        self.files.iter().all(|(id, names)| {
            let count = self.counts.get(id).copied().unwrap_or_default();
            names.len() as u64 == count || !names.iter().any(&matters)
        })
    }

    /// The names of a file that the other tree has too.
    fn common(&self, id: FileId) -> BTreeSet<&Path> {
        let names = self.files.get(&id).into_iter().flatten();
        names.filter(|n| n.common).map(|n| n.path.as_path()).collect()
    }
}

/// What is known of the two trees before they are compared.
#[derive(Debug)]
pub(super) struct Links {
    old: Groups,
    new: Groups,
}

/// What a file's having several names means for one of them.
#[derive(Debug)]
pub(super) struct Link {
    /// Whether the names that were there before are modified.
    modified: bool,
    /// The name to link to.
    pub(super) to: Option<PathBuf>,
}

impl Link {
    /// Whether a name of the file is part of the difference.
    pub(super) fn changed(&self, kind: ChangeKind) -> bool {
        kind == ChangeKind::Added || self.modified
    }
}

impl Links {
    pub(super) fn of(op: Op, trees: &Trees<'_>, touched: Option<Touched<'_>>) -> Result<Self> {
        let mut links = Self { old: Groups::default(), new: Groups::default() };
        walk_touched(op, trees.old, trees.new, touched, &mut |pair: &Pair<'_>| {
            links.old.add(pair.path, pair.old.as_ref(), pair.new.as_ref());
            links.new.add(pair.path, pair.new.as_ref(), pair.old.as_ref());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(links)
    }

    /// Whether no file that matters has names that weren't visited. In the
    /// older tree those matter that are still there, perhaps as another file.
    pub(super) fn are_complete(&self) -> bool {
        self.new.is_complete(|_| true) && self.old.is_complete(|name| name.common)
    }

    pub(super) fn judge<'a>(&'a self, op: Op, trees: &'a Trees<'a>) -> Judge<'a> {
        Judge { links: self, op, trees, judged: HashMap::new() }
    }
}

/// Decides once for each file of the newer tree, when its first name is met.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    links: &'a Links,
    op: Op,
    trees: &'a Trees<'a>,
    judged: HashMap<FileId, bool>,
}

impl Judge<'_> {
    /// What holds for the name `path` of the file `now`; `None` if neither it
    /// nor what stood there before has, or had, several names.
    pub(super) fn link_of(&mut self, path: &Path, now: &Located<'_>) -> Result<Option<Link>> {
        let Some(names) = self.links.new.files.get(&now.meta.id) else { return Ok(None) };
        let modified = match self.judged.get(&now.meta.id) {
            Some(modified) => *modified,
            None => {
                let modified = self.modified(now.meta.id, names)?;
                self.judged.insert(now.meta.id, modified);
                modified
            }
        };
        // Unmodified, the file is there already under a name of the older tree;
        // modified, the first name to be told is the file itself.
        let to = names.iter().find(|n| modified || n.common).map(|n| n.path.as_path());
        Ok(Some(Link { modified, to: to.filter(|to| *to != path).map(Path::to_owned) }))
    }

    /// Whether the file's names that were there before are modified: all of
    /// them, or none.
    fn modified(&self, id: FileId, names: &[Name]) -> Result<bool> {
        let Some(first) = names.iter().find(|n| n.common) else { return Ok(true) };
        let Some(before) = first.other else { return Ok(true) };
        if self.op == Op::Diff && names.iter().any(|n| !n.common) {
            return Ok(true);
        }
        if self.links.new.common(id) != self.links.old.common(before) {
            return Ok(true);
        }
        self.differs(&first.path)
    }

    fn differs(&self, path: &Path) -> Result<bool> {
        let Some(old_root) = self.trees.old else { return Ok(true) };
        let dir = path.parent().unwrap_or(Path::new(""));
        let name = path.file_name().unwrap_or(OsStr::new("."));
        let open = |root| deep::open_dir(root, dir);
        let old_dir = open(old_root).doing(self.op, "open the directory below", dir)?;
        let old = located(self.op, &old_dir, name, path)?;
        let new_dir = match open(self.trees.new) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(true),
            other => other.doing(self.op, "open the directory", dir)?,
        };
        let new = located(self.op, &new_dir, name, path)?;
        // How long it has been at this path isn't known here.
        let look = Look { path, baseline: None };
        match (old, new) {
            (Some(old), Some(new)) => Ok(!same(self.op, &old, &new, &look)?),
            _ => Ok(true),
        }
    }
}

fn located<'a>(
    op: Op,
    dir: &'a impl AsFd,
    name: &'a OsStr,
    path: &Path,
) -> Result<Option<Located<'a>>> {
    let dir = dir.as_fd();
    match Meta::at(dir, name) {
        Ok(meta) => Ok(Some(Located { dir, name, meta })),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e).doing(op, "look at the file", path),
    }
}
