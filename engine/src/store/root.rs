//! The folder that holds everything, and the file that says that it is ours.
//!
//! ```text
//! ROOT/sapwood.json             the marker: this folder is a Sapwood store
//! ROOT/engine/DRIVER/           the engine's records of what DRIVER holds
//! ROOT/DRIVER/                  the driver's own root
//! ```

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::statfs;
use sapwood_kit::nodes::Ground;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fault;

/// The marker's name.
pub(crate) const MARKER: &str = "sapwood.json";

/// What the marker is called while it is being written. Such a file may be
/// left by a crash, and doesn't make an empty folder a foreign one.
const MARKER_TEMPORARY: &str = ".sapwood.json.";

/// The newest layout of a root that this version understands.
const FORMAT: i64 = 1;

/// A folder that is known to be a Sapwood store.
///
/// Open it before the storage driver: the driver makes its own folder in it,
/// and must not do so in somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    path: PathBuf,
}

/// What a folder is, as far as its marker tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RootState {
    /// A store.
    Marked,
    /// Nothing yet.
    Empty,
    /// A store whose marker is gone: it has the folder of the records.
    Unmarked,
    /// A store whose marker can't be read, and why.
    Unreadable(String),
}

#[derive(Serialize, Deserialize)]
struct Marker {
    format: i64,
}

impl Root {
    /// Takes `path` as a store. A folder that isn't there, or is empty, becomes
    /// one; any number of processes may do so at once.
    ///
    /// Cost: one small file read where the store is there.
    ///
    /// # Errors
    /// [`Error::ForeignRoot`] for a folder with anything else in it, which is
    /// left as it was; [`Error::NewerFormat`]; [`Error::Corrupt`] for a marker
    /// that can't be read; [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        refuse_network(path)?;
        if !read_marker(path)? {
            create(path)?;
        }
        refuse_others(path)?;
        let path = fs::canonicalize(path).map_err(|e| Error::io("resolve", path, e))?;
        Ok(Self { path })
    }

    /// What `path` is. Nothing is made.
    ///
    /// # Errors
    /// [`Error::ForeignRoot`], [`Error::NewerFormat`], [`Error::Io`].
    pub(crate) fn state(path: &Path) -> Result<RootState> {
        match read_marker(path) {
            Ok(true) => Ok(RootState::Marked),
            Err(Error::Corrupt { problem, .. }) => Ok(RootState::Unreadable(problem)),
            Err(e) => Err(e),
            Ok(false) => {
                if !path.try_exists().map_err(|e| Error::io("look at", path, e))? {
                    return Ok(RootState::Empty);
                }
                let found = contents(path)?;
                // Made since the marker was looked for?
                if !found.is_empty() && read_marker(path)? {
                    return Ok(RootState::Marked);
                }
                match (found.is_empty(), found.iter().any(|name| name == "engine")) {
                    (true, _) => Ok(RootState::Empty),
                    (false, true) => Ok(RootState::Unmarked),
                    (false, false) => Err(foreign(path, &found)),
                }
            }
        }
    }

    /// Writes the marker again. Durable on return.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn mark_again(path: &Path) -> Result<()> {
        write_marker(path)
    }

    /// The folder: absolute, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the engine keeps what it knows of one driver's nodes. Made if it
    /// isn't there; only its owner may look into it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn engine_dir(&self, driver: &str) -> Result<PathBuf> {
        let all = self.path.join("engine");
        let own = all.join(driver);
        match fs::metadata(&own) {
            Ok(_) => return Ok(own),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io("look at", &own, e)),
        }
        make_dir(&all, 0o700)?;
        make_dir(&own, 0o700)?;
        sync(&all)?;
        sync(&self.path)?;
        Ok(own)
    }
}

/// File systems whose locks and renames others don't see in time, or at all
/// (statfs(2), magic numbers of the kernel's linux/magic.h).
const NETWORKS: [(u64, &str); 6] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x00c3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
];

/// Refuses a folder on a network: two hosts that don't see one another's locks
/// would take each other's work for that of the dead.
fn refuse_network(path: &Path) -> Result<()> {
    let there =
        path.ancestors().find(|above| above.try_exists().unwrap_or(true)).unwrap_or(Path::new("."));
    let found = statfs(there).map_err(|e| Error::io("look at", there, e))?;
    // A magic number has 32 bits; the field's width is the architecture's.
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, clippy::cast_possible_truncation)]
    match network(u64::from(found.f_type as u32)) {
        None => Ok(()),
        Some(name) => Err(Error::Invalid(format!(
            "{} is on {name}, where locks can't be relied on; choose a folder on a disk of this \
             host with --root",
            path.display()
        ))),
    }
}

fn network(magic: u64) -> Option<&'static str> {
    NETWORKS.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

/// Refuses a store of somebody else: what we made in it its owner could not
/// remove, and what they put in it would run with our rights.
fn refuse_others(path: &Path) -> Result<()> {
    let marker = path.join(MARKER);
    let owner = fs::metadata(&marker).map_err(|e| Error::io("look at", &marker, e))?.uid();
    let we = rustix::process::geteuid().as_raw();
    if owner == we {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "the store {} belongs to user {owner}, and this is user {we}; run as that user, or choose \
         another folder with --root",
        path.display()
    )))
}

/// Whether the marker is there and of a format that is known.
fn read_marker(root: &Path) -> Result<bool> {
    let path = root.join(MARKER);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(Error::io("read", path, e)),
    };
    check_marker(&path, &text).map(|()| true)
}

/// Whether a marker of that text is of a format that is known.
pub(crate) fn check_marker(path: &Path, text: &[u8]) -> Result<()> {
    let marker: Marker = serde_json::from_slice(text)
        .map_err(|e| Error::Corrupt { path: path.to_owned(), problem: e.to_string() })?;
    if marker.format > FORMAT {
        let (path, found) = (path.to_owned(), marker.format);
        return Err(Error::NewerFormat { path, found, known: FORMAT });
    }
    Ok(())
}

fn create(root: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(root)
        .map_err(|e| Error::io("create", root, e))?;
    let found = contents(root)?;
    // Another process may have made the store since the marker was looked
    // for: then what lies here is a store's.
    if !found.is_empty() {
        return match read_marker(root)? {
            true => Ok(()),
            false => Err(foreign(root, &found)),
        };
    }
    write_marker(root)
}

/// The marker appears whole or not at all, and is on the medium before
/// anything is put beside it.
fn write_marker(root: &Path) -> Result<()> {
    let attempt = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(MARKER_TEMPORARY).tempfile_in(root)?;
        serde_json::to_writer(&mut file, &Marker { format: FORMAT })?;
        fault::point("store.marker.write")?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        fault::point("store.marker.rename")?;
        file.persist(root.join(MARKER))?;
        Ok(())
    };
    attempt().map_err(|e| Error::io("mark as a store the folder", root, e))?;
    sync(root)
}

/// The names in a folder, but for markers in the making and the directories in
/// which drivers find out what works.
fn contents(root: &Path) -> Result<Vec<std::ffi::OsString>> {
    let at = |e| Error::io("list", root, e);
    let mut names = Vec::new();
    for entry in fs::read_dir(root).map_err(at)? {
        let name = entry.map_err(at)?.file_name();
        let is_marker = name.as_encoded_bytes().starts_with(MARKER_TEMPORARY.as_bytes());
        if !is_marker && !Ground::is_named(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn foreign(root: &Path, found: &[std::ffi::OsString]) -> Error {
    let has = |name: &str| found.iter().any(|f| f == name);
    let looks_like = if has("overlay-images") || has("vfs-images") || has("btrfs-images") {
        "Podman's"
    } else if has("engine-id") || (has("image") && has("containers")) {
        "Docker's"
    } else if has("io.containerd.metadata.v1.bolt") {
        "containerd's"
    } else if has("metadata.db") {
        "the inside of a Sapwood store"
    } else {
        ""
    };
    Error::ForeignRoot { path: root.to_owned(), looks_like }
}

pub(super) fn make_dir(path: &Path, mode: u32) -> Result<()> {
    let made = fault::point("store.mkdir").and_then(|()| DirBuilder::new().mode(mode).create(path));
    match made {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(Error::io("create", path, e)),
        _ => Ok(()),
    }
}

/// A new, empty file that only its owner may read, in place of any other.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

pub(super) fn sync(dir: &Path) -> Result<()> {
    let synced = || {
        fault::point("store.fsync-dir")?;
        File::open(dir)?.sync_all()
    };
    synced().map_err(|e| Error::io("flush", dir, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_or_empty_folder_becomes_a_store() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let root = Root::open(&path).unwrap();
        assert_eq!(fs::read_to_string(path.join(MARKER)).unwrap(), "{\"format\":1}\n");
        fs::create_dir(path.join("overlay2")).unwrap();
        assert_eq!(Root::open(&path).unwrap(), root);
    }

    #[test]
    fn another_ones_folder_is_refused_and_left_alone() {
        for (name, whose) in
            [("engine-id", "Docker's"), ("overlay-images", "Podman's"), ("photos", "")]
        {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join(name)).unwrap();
            match Root::open(dir.path()) {
                Err(Error::ForeignRoot { looks_like, .. }) => assert_eq!(looks_like, whose),
                other => panic!("{name}: {other:?}"),
            }
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_marker_that_a_crash_left_half_written_is_no_stranger() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".sapwood.json.Xa1"), "{").unwrap();
        Root::open(dir.path()).unwrap();
    }

    #[test]
    fn newer_and_damaged_markers_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(MARKER), "{\"format\":2}").unwrap();
        assert!(matches!(
            Root::open(dir.path()),
            Err(Error::NewerFormat { found: 2, known: 1, .. })
        ));
        fs::write(dir.path().join(MARKER), "what").unwrap();
        assert!(matches!(Root::open(dir.path()), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn networks_are_known_by_their_numbers() {
        assert_eq!(network(0x6969), Some("NFS"));
        assert_eq!(network(0xff53_4d42), Some("CIFS"));
        // ext4, tmpfs.
        assert_eq!((network(0xef53), network(0x0102_1994)), (None, None));
    }

    #[test]
    fn a_store_of_somebody_else_is_refused() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("NOT RUN: only root can give files away");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        Root::open(dir.path()).unwrap();
        std::os::unix::fs::chown(dir.path().join(MARKER), Some(4711), None).unwrap();
        match Root::open(dir.path()) {
            Err(Error::Invalid(why)) => assert!(why.contains("user 4711"), "{why}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn many_at_once_make_one_store() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| Root::open(&path).unwrap().engine_dir("vfs").unwrap());
            }
        });
    }
}
