//! What lies on the disk, read without any of Sapwood's code.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{lgetxattr, llistxattr};
use sha2::{Digest, Sha256};

/// The digests of each layer's tree, by the layer's id.
pub type Trees = BTreeMap<OsString, Tree>;

/// The digests of a tree: content, names, links, types, owners, modes, times
/// and extended attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Of everything: stays as long as nobody touches it.
    pub exact: String,
    /// Without what differs when the same layer is made again: whence the
    /// kernel copied a file up, for one.
    pub same_when_remade: String,
}

/// Attributes in which overlay file systems keep what belongs to the host.
const HOSTS: [&str; 2] = ["trusted.overlay.origin", "trusted.overlay.uuid"];

/// Every path beneath a folder, with the room that it takes: blocks of 512
/// bytes, and none for a directory, whose size is its file system's affair.
pub type Inventory = BTreeMap<PathBuf, u64>;

/// The trees of all layers in a driver's root.
///
/// # Errors
/// Something can't be read.
pub fn layers(driver_root: &Path) -> io::Result<Trees> {
    let mut trees = Trees::new();
    for layer in names(&driver_root.join("layers"))? {
        let folder = driver_root.join("layers").join(&layer);
        let mut hash = Hash { exact: Sha256::new(), remade: Sha256::new() };
        for part in names(&folder)? {
            let path = folder.join(&part);
            // Who stands on it changes; what it is doesn't.
            if part != "children" && fs::symlink_metadata(&path)?.is_dir() {
                hash_tree(&path, &mut hash)?;
            }
        }
        trees.insert(layer, hash.finish());
    }
    Ok(trees)
}

/// Everything beneath `root` but the database's own files, which grow and
/// shrink as SQLite likes, and files for locks, which come when they are needed
/// and stay.
///
/// # Errors
/// Something can't be read.
pub fn inventory(root: &Path) -> io::Result<Inventory> {
    let mut found = Inventory::new();
    take_inventory(root, Path::new(""), &mut found)?;
    Ok(found)
}

fn take_inventory(root: &Path, beneath: &Path, found: &mut Inventory) -> io::Result<()> {
    for name in names(&root.join(beneath))? {
        if name.as_bytes().starts_with(b"metadata.db") || name.as_bytes().ends_with(b".lock") {
            continue;
        }
        let path = beneath.join(name);
        let meta = fs::symlink_metadata(root.join(&path))?;
        if meta.is_dir() {
            take_inventory(root, &path, found)?;
        }
        found.insert(path, if meta.is_dir() { 0 } else { meta.blocks() });
    }
    Ok(())
}

/// The names in a folder, in order; none if it isn't there.
fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names: Vec<_> =
        entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

fn hash_tree(path: &Path, hash: &mut Hash) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    hash_attributes(path, &meta, hash)?;
    if meta.is_dir() {
        for name in names(path)? {
            field(name.as_bytes(), hash);
            hash_tree(&path.join(name), hash)?;
        }
        field(b"end of a directory", hash);
    } else if meta.is_symlink() {
        field(fs::read_link(path)?.as_os_str().as_bytes(), hash);
    } else if meta.is_file() {
        hash_content(path, hash)?;
    }
    Ok(())
}

fn hash_attributes(path: &Path, meta: &Metadata, hash: &mut Hash) -> io::Result<()> {
    let kind = meta.file_type();
    let device = if kind.is_char_device() || kind.is_block_device() { meta.rdev() } else { 0 };
    // A directory's number of links is its file system's affair.
    let links = if meta.is_dir() { 0 } else { meta.nlink() };
    let numbers = [u64::from(meta.mode()), meta.uid().into(), meta.gid().into(), device];
    numbers.iter().for_each(|number| hash.update(number.to_le_bytes()));
    let (seconds, nanoseconds) = (meta.mtime().to_le_bytes(), meta.mtime_nsec().to_le_bytes());
    let rest = [links.to_le_bytes(), seconds, nanoseconds].concat();
    // The kernel makes whiteouts when it likes, and gives them one inode.
    match kind.is_char_device() && device == 0 {
        true => hash.exact.update(rest),
        false => hash.update(rest),
    }
    for name in attributes(path)? {
        let mut value = vec![0; 65536];
        let length = lgetxattr(path, &*name, &mut value[..])?;
        let value = value.get(..length).unwrap_or_default();
        if HOSTS.iter().any(|hosts| name == *hosts) {
            hash.exact.update(value);
            continue;
        }
        field(name.as_bytes(), hash);
        field(value, hash);
    }
    Ok(())
}

fn attributes(path: &Path) -> io::Result<Vec<OsString>> {
    let mut list = vec![0; 65536];
    let length = llistxattr(path, &mut list[..])?;
    let names = list.get(..length).unwrap_or_default().split(|byte| *byte == 0);
    let mut names: Vec<_> =
        names.filter(|n| !n.is_empty()).map(|n| OsStr::from_bytes(n).to_owned()).collect();
    names.sort();
    Ok(names)
}

fn hash_content(path: &Path, hash: &mut Hash) -> io::Result<()> {
    let mut file = fs::File::open(path)?;
    hash.update(file.metadata()?.len().to_le_bytes());
    let mut chunk = vec![0; 1 << 16];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(()),
            got => hash.update(chunk.get(..got).unwrap_or_default()),
        }
    }
}

/// Both digests, while they are taken.
struct Hash {
    exact: Sha256,
    remade: Sha256,
}

impl Hash {
    fn update(&mut self, bytes: impl AsRef<[u8]>) {
        self.exact.update(bytes.as_ref());
        self.remade.update(bytes.as_ref());
    }

    fn finish(self) -> Tree {
        let (exact, remade) = (self.exact.finalize(), self.remade.finalize());
        Tree { exact: hex(&exact), same_when_remade: hex(&remade) }
    }
}

/// With its length, so that no two lists of fields look alike.
fn field(bytes: &[u8], hash: &mut Hash) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A store of one layer, changed by `change`.
    fn digest(change: impl FnOnce(&Path)) -> Trees {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("layers/one/diff");
        fs::create_dir_all(tree.join("folder")).unwrap();
        fs::create_dir(dir.path().join("layers/one/children")).unwrap();
        fs::write(tree.join("folder/file"), "content").unwrap();
        symlink("file", tree.join("folder/link")).unwrap();
        change(&tree);
        let still = |path: &Path| {
            let time = std::time::SystemTime::UNIX_EPOCH;
            fs::File::open(path).unwrap().set_times(fs::FileTimes::new().set_modified(time))
        };
        for path in [tree.join("folder/file"), tree.join("folder"), tree.clone()] {
            still(&path).unwrap();
        }
        rustix::fs::utimensat(
            rustix::fs::CWD,
            tree.join("folder/link"),
            &rustix::fs::Timestamps {
                last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
                last_modification: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
            },
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )
        .unwrap();
        layers(dir.path()).unwrap()
    }

    #[test]
    fn every_difference_of_a_layer_is_seen() {
        let same = digest(|_| ());
        assert_eq!(digest(|tree| fs::write(tree.join("../children/layer.x"), "").unwrap()), same);
        let changes: [fn(&Path); 6] = [
            |tree| fs::write(tree.join("folder/file"), "Content").unwrap(),
            |tree| fs::write(tree.join("new"), "").unwrap(),
            |tree| fs::hard_link(tree.join("folder/file"), tree.join("folder/file2")).unwrap(),
            |tree| {
                let mode = fs::Permissions::from_mode(0o600);
                fs::set_permissions(tree.join("folder/file"), mode).unwrap();
            },
            |tree| std::os::unix::fs::chown(tree.join("folder"), Some(1), None).unwrap(),
            |tree| {
                let path = tree.join("folder/file");
                let flags = rustix::fs::XattrFlags::empty();
                rustix::fs::lsetxattr(path, "trusted.x", b"1", flags).unwrap();
            },
        ];
        for (n, change) in changes.into_iter().enumerate() {
            assert_ne!(digest(change), same, "change {n}");
        }
    }
}
