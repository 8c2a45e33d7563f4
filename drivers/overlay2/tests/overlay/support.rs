//! A root of a driver, and short words for what is done with it.

use std::fs;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use graphdriver_api::{
    Base, DraftId, DraftSpec, DriverFactory, DriverOptions, GraphDriver, LayerId, Limits,
    MountRequest, NodeRef, Result,
};
use rustix::fs::CWD;
use sapwood_driver_overlay2::Overlay2Factory;
use sapwood_kit::mount::{Detached, in_private_namespace};

pub(crate) type Driver = Arc<dyn GraphDriver>;

/// A directory with a driver's root in it.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) root: PathBuf,
}

/// Runs a test in a mount namespace of its own.
pub(crate) fn world(test: impl FnOnce(&World) + Send) {
    in_world(|_| (), test);
}

/// As [`world`], in memory: for tests with hundreds of commits, each of which
/// waits for the disk.
pub(crate) fn world_in_memory(test: impl FnOnce(&World) + Send) {
    let tmpfs = |dir: &Path| Detached::tmpfs(64 << 20).unwrap().attach(CWD, dir).unwrap();
    in_world(tmpfs, test);
}

fn in_world(first: impl FnOnce(&Path) + Send, test: impl FnOnce(&World) + Send) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let failed = in_private_namespace(|| {
        first(dir.path());
        let world = World { dir, root };
        Ok(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&world))).err())
    });
    // The test's own message, not one about its thread.
    if let Some(panic) = failed.unwrap() {
        std::panic::resume_unwind(panic);
    }
}

impl World {
    pub(crate) fn open(&self) -> Driver {
        self.open_with(&[])
    }

    pub(crate) fn open_with(&self, options: &[(&str, &str)]) -> Driver {
        Overlay2Factory.open(&self.root, &given(options)).unwrap()
    }
}

pub(crate) fn given(options: &[(&str, &str)]) -> DriverOptions {
    DriverOptions(options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
}

pub(crate) fn draft(id: &str) -> DraftId {
    DraftId::new(id).unwrap()
}

pub(crate) fn layer(id: &str) -> LayerId {
    LayerId::new(id).unwrap()
}

pub(crate) fn prepare(driver: &Driver, id: &str, base: Base<'_>) -> DraftId {
    let id = draft(id);
    driver.prepare(&id, base, &DraftSpec::default()).unwrap();
    id
}

/// Mounts a draft, lets `what` work at its path, and unmounts.
pub(crate) fn edit<T>(driver: &Driver, id: &DraftId, what: impl FnOnce(&Path) -> T) -> T {
    with(driver, id, &MountRequest::default(), what).unwrap()
}

pub(crate) fn with<T>(
    driver: &Driver,
    id: &DraftId,
    request: &MountRequest,
    what: impl FnOnce(&Path) -> T,
) -> Result<T> {
    let mut guard = driver.mount(id, request)?;
    let done = what(guard.path().unwrap());
    guard.unmount()?;
    Ok(done)
}

/// A layer with what `what` does.
pub(crate) fn make(
    driver: &Driver,
    id: &str,
    parent: Option<&LayerId>,
    what: impl FnOnce(&Path),
) -> LayerId {
    let made = prepare(driver, &format!("making-{id}"), parent.map_or(Base::Scratch, Base::Layer));
    edit(driver, &made, what);
    commit(driver, &made, id)
}

pub(crate) fn commit(driver: &Driver, id: &DraftId, to: &str) -> LayerId {
    let to = layer(to);
    driver.commit(id, &to, None).unwrap();
    to
}

/// What a layer's tree looks like, a line a file.
pub(crate) fn tree_of(driver: &Driver, of: &LayerId) -> Vec<String> {
    let view = draft("a-look");
    driver.view(&view, of).unwrap();
    let lines = edit(driver, &view, lines);
    driver.remove((&view).into()).unwrap();
    lines
}

/// Every file beneath a directory, the directory itself included: path, type,
/// mode, owner, time, and what is in it.
pub(crate) fn lines(root: &Path) -> Vec<String> {
    let mut lines = vec![line(root, Path::new("."))];
    let mut todo = vec![PathBuf::new()];
    while let Some(dir) = todo.pop() {
        let mut names: Vec<_> =
            fs::read_dir(root.join(&dir)).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        for name in names {
            let path = dir.join(name);
            // A name that can't be looked at is what some of these tests are
            // about: it must not be there at all.
            lines.push(line(root, &path));
            if fs::symlink_metadata(root.join(&path)).is_ok_and(|meta| meta.is_dir()) {
                todo.push(path);
            }
        }
    }
    lines.sort();
    lines
}

fn line(root: &Path, path: &Path) -> String {
    let full = root.join(path);
    let Ok(meta) = fs::symlink_metadata(&full) else { return format!("{path:?} is a ghost") };
    let kind = meta.file_type();
    let content = if kind.is_file() {
        format!("{:?}", String::from_utf8_lossy(&fs::read(&full).unwrap()))
    } else if kind.is_symlink() {
        format!("-> {:?}", fs::read_link(&full).unwrap())
    } else if kind.is_char_device() {
        format!("device {}", meta.rdev())
    } else {
        String::new()
    };
    let (mode, uid, gid, time) = (meta.mode(), meta.uid(), meta.gid(), meta.mtime());
    format!("{path:?} {mode:o} {uid}:{gid} {time}.{} {content}", meta.mtime_nsec())
}

/// `A`, `M` or `D` and the path of every change.
pub(crate) fn changes(driver: &Driver, node: NodeRef<'_>) -> Vec<String> {
    let mut found = Vec::new();
    driver
        .changes(node, &mut |change| {
            let kind = format!("{:?}", change.kind);
            found.push(format!("{} {}", &kind[..1], change.path.display()));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    found
}

/// An entry of an archive: a name that ends in a slash is a directory's.
pub(crate) fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(match path.ends_with('/') {
            true => tar::EntryType::Directory,
            false => tar::EntryType::Regular,
        });
        header.set_mode(if path.ends_with('/') { 0o755 } else { 0o644 });
        header.set_mtime(7);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        // The crate refuses some names that archives do have.
        let name = path.as_bytes();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_cksum();
        tar.append(&header, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

pub(crate) fn apply(driver: &Driver, id: &DraftId, tar: &[u8]) -> Result<()> {
    driver.apply(id, &mut Cursor::new(tar), &Limits::default()).map(drop)
}

/// A node's directory with its difference, on disk.
pub(crate) fn on_disk(world: &World, node: NodeRef<'_>) -> PathBuf {
    let shelf = match node {
        NodeRef::Draft(_) => "drafts",
        NodeRef::Layer(_) => "layers",
    };
    world.root.join(shelf).join(node.as_str()).join("diff")
}

pub(crate) fn is_whiteout(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_char_device() && m.rdev() == 0)
}

pub(crate) fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 256];
    let length = rustix::fs::lgetxattr(path, name, &mut value).ok()?;
    Some(value[..length].to_vec())
}

/// Names in a directory, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| String::from_utf8_lossy(e.unwrap().file_name().as_bytes()).into_owned())
        .collect();
    names.sort();
    names
}
