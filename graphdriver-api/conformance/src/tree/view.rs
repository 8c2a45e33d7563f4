//! A tree as a snapshot.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::Tree;
use super::node::{Body, Ino, Mtime, Node};
use crate::snapshot::{Entry, Kind, Snapshot, When};

impl Tree {
    /// What a driver that follows the rules shows. `when` says what is known
    /// about a file's modification time.
    ///
    /// Where hard links don't survive a write, link counts of files that lost
    /// names of several below are left open: a union shows those of the layer.
    #[must_use]
    pub fn snapshot(&self, mut when: impl FnMut(Ino, Mtime) -> When) -> Snapshot {
        let mut entries = BTreeMap::new();
        let mut first_names = HashMap::new();
        let mut links = BTreeMap::new();
        for (path, ino) in self.paths() {
            let Some(node) = self.node(ino) else { continue };
            if node.nlink > 1 {
                let first = first_names.entry(ino).or_insert_with(|| path.clone());
                if *first != path {
                    links.insert(path.clone(), first.clone());
                }
            }
            entries.insert(path, entry(node, when(ino, node.mtime)));
        }
        Snapshot::from_parts(entries, links)
    }

    /// The snapshot of a tree whose times are all exact, as those that were
    /// read from a disk or an archive.
    #[must_use]
    pub fn exact_snapshot(&self) -> Snapshot {
        self.snapshot(|_, mtime| mtime.exact.map_or(When::Any, When::At))
    }

    /// Every path with its file, in path order, the root (`.`) first.
    #[must_use]
    pub fn paths(&self) -> Vec<(PathBuf, Ino)> {
        let mut paths = vec![(PathBuf::from("."), Ino::ROOT)];
        self.paths_beneath(Path::new(""), Ino::ROOT, &mut paths);
        paths
    }

    fn paths_beneath(&self, above: &Path, dir: Ino, paths: &mut Vec<(PathBuf, Ino)>) {
        for (name, ino) in self.children(dir) {
            let path = above.join(name);
            paths.push((path.clone(), ino));
            self.paths_beneath(&path, ino, paths);
        }
    }
}

fn entry(node: &Node, mtime: When) -> Entry {
    let kind = match &node.body {
        Body::File(bytes) => Kind::File(bytes.content()),
        Body::Directory(_) => Kind::Directory,
        Body::Symlink(target) => Kind::Symlink(target.clone()),
        Body::CharDevice(major, minor) => Kind::CharDevice(*major, *minor),
        Body::BlockDevice(major, minor) => Kind::BlockDevice(*major, *minor),
        Body::Fifo => Kind::Fifo,
        Body::Socket => Kind::Socket,
    };
    let nlink = (node.counted && !node.is_directory()).then_some(node.nlink);
    let xattrs = node.xattrs.clone();
    Entry { kind, mode: node.mode, uid: node.uid, gid: node.gid, mtime, xattrs, nlink }
}
