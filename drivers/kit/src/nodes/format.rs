//! Whose root a directory is: read before anything in it is touched.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use graphdriver_api::{Error, ErrorKind, Op, Recovered, Result};
use rustix::fs;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::lock::RootLock;
use super::{Layout, NodeStore, disk, ground};
use crate::at;
use crate::at::xattr::{self, Target};

/// The version of what is the same for all drivers: layout and records.
///
/// 2: there may be borrowed layers, which an earlier release would take for layers
/// that have lost their files.
const NODES_VERSION: u32 = 2;

/// The version of a root in which no layer was ever borrowed: earlier releases
/// can go on using it.
const NODES_PLAIN: u32 = 1;

pub(super) const FILE: &str = "format";
pub(super) const OWN_DIRS: [&str; 6] = ["making", "drafts", "layers", "mounts", "tickets", "trash"];

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Format {
    driver: String,
    version: u32,
    nodes: u32,
}

impl Format {
    fn of(layout: &Layout, nodes: u32) -> Self {
        let driver = layout.driver.to_owned();
        Self { driver, version: layout.version, nodes }
    }
}

/// Opens or founds the root. Nothing is recovered yet.
pub(super) fn open(call: Call<'_>, root: &Path, layout: Layout) -> Result<NodeStore> {
    let at_root = |e: Error| e.with_path(root);
    make_root(root).map_err(call.io("make the root directory")).map_err(at_root)?;
    let path = root.canonicalize().map_err(call.io("resolve the root")).map_err(at_root)?;
    let dir = disk::open_root(&path).map_err(call.io("open the root")).map_err(at_root)?;
    let lock = disk::open_root(&path).map_err(call.io("open the root")).map_err(at_root)?;
    let lock = RootLock::new(lock);
    {
        let _held = lock.hold().map_err(call.io("lock the root")).map_err(at_root)?;
        claim(call, &dir, &layout).map_err(at_root)?;
        make_dirs(&dir, layout.own).map_err(call.io("make the root's directories"))?;
    }
    assemble(layout, path, dir, lock).map_err(call.io("open the root's directories"))
}

pub(super) fn assemble(
    layout: Layout,
    path: std::path::PathBuf,
    root: OwnedFd,
    lock: RootLock,
) -> io::Result<NodeStore> {
    let shelf = |name| disk::open_dir(&root, name);
    Ok(NodeStore {
        making: shelf("making")?,
        drafts: shelf("drafts")?,
        layers: shelf("layers")?,
        mounts: shelf("mounts")?,
        tickets: shelf("tickets")?,
        trash: shelf("trash")?,
        recovered: Recovered::default(),
        layout,
        path,
        root,
        lock,
    })
}

/// Makes the root and what is missing above it, each durable in its parent: a
/// layer is only as durable as the way to it.
fn make_root(root: &Path) -> io::Result<()> {
    if root.try_exists()? {
        return Ok(());
    }
    let above = match root.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    make_root(above)?;
    match DirBuilder::new().mode(0o700).create(root) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    Ok(fs::fsync(disk::open_root(above)?)?)
}

/// Makes sure that the root is this driver's, and makes it so if it is empty.
fn claim(call: Call<'_>, root: &OwnedFd, layout: &Layout) -> Result<()> {
    let ours = Format::of(layout, NODES_VERSION);
    match read(root).map_err(call.io("read the root's format"))? {
        Some(bytes) => judge(call, &ours, &bytes),
        None => found(call, root, layout),
    }
}

pub(super) fn read(root: &OwnedFd) -> io::Result<Option<Vec<u8>>> {
    disk::find_file(root, FILE)?.map(|file| disk::read_all(&file)).transpose()
}

fn judge(call: Call<'_>, ours: &Format, bytes: &[u8]) -> Result<()> {
    match complaint(ours, bytes) {
        Ok(None) => Ok(()),
        Ok(Some(what)) => Err(call.fail(ErrorKind::Corrupt, format!("this root {what}"))),
        Err(e) => {
            let error = call.fail(ErrorKind::Corrupt, "the root's file `format` can't be read");
            Err(error.with_source(e))
        }
    }
}

/// What is wrong with a root of that format, to be read by `ours`.
fn complaint(ours: &Format, bytes: &[u8]) -> Result<Option<String>, serde_json::Error> {
    let theirs: Format = serde_json::from_slice(bytes)?;
    Ok(if theirs.driver != ours.driver {
        Some(format!("belongs to the driver {}", theirs.driver))
    } else if theirs.version > ours.version || theirs.nodes > ours.nodes {
        Some(format!(
            "is of format {}.{}, newer than {}.{}: open it with a newer release",
            theirs.version, theirs.nodes, ours.version, ours.nodes
        ))
    } else {
        None
    })
}

fn found(call: Call<'_>, root: &OwnedFd, layout: &Layout) -> Result<()> {
    let strays = strays(root).map_err(call.io("read the root"))?;
    refuse(call, &strays)?;
    write(root, layout, NODES_PLAIN).map_err(call.io("write the root's format"))
}

/// Why a root of somebody else's can't be read by this release: the end of a
/// sentence that begins with "which".
pub(super) fn unfit(root: &OwnedFd, layout: &Layout) -> io::Result<Option<String>> {
    let Some(bytes) = read(root)? else {
        return Ok(Some(format!("isn't a root of {}: it has no file `format`", layout.driver)));
    };
    let found = complaint(&Format::of(layout, NODES_VERSION), &bytes);
    Ok(found.unwrap_or_else(|e| Some(format!("has a file `format` that can't be read: {e}"))))
}

/// Notes, durably, that there may be borrowed layers. The caller holds the root
/// lock.
pub(super) fn raise(root: &OwnedFd, layout: &Layout) -> io::Result<()> {
    let bytes = read(root)?.unwrap_or_default();
    match serde_json::from_slice::<Format>(&bytes) {
        Ok(format) if format.nodes >= NODES_VERSION => Ok(()),
        _ => write(root, layout, NODES_VERSION),
    }
}

/// Refuses what is another driver's or of a newer version, and what was never
/// a root. One whose format is missing or damaged, and has the directories of
/// a root, isn't refused.
pub(super) fn check_ours(call: Call<'_>, root: &OwnedFd, layout: &Layout) -> Result<()> {
    // Before the format: who founds the root may be at it.
    let strays = strays(root).map_err(call.io("read the root"))?;
    let bytes = read(root).map_err(call.io("read the root's format"))?;
    match bytes.filter(|bytes| is_readable(bytes)) {
        Some(bytes) => judge(call, &Format::of(layout, NODES_VERSION), &bytes),
        None => match disk::find_dir(root, "layers").map_err(call.io("read the root"))? {
            Some(_) => Ok(()),
            None => refuse(call, &strays),
        },
    }
}

/// Whether that is a root's format, of whatever driver and version.
pub(super) fn is_readable(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Format>(bytes).is_ok()
}

/// Writes the format of a root that has lost it. There may be borrowed layers:
/// better that an earlier release refuses it. Durable on return.
pub(super) fn write_again(root: &OwnedFd, layout: &Layout) -> io::Result<()> {
    write(root, layout, NODES_VERSION)
}

fn write(root: &OwnedFd, layout: &Layout, nodes: u32) -> io::Result<()> {
    disk::replace_file(root, FILE, &serde_json::to_vec(&Format::of(layout, nodes))?)
}

/// Refuses a directory without a format that holds what isn't ours.
/// What doesn't lie in a directory before it is a root.
fn strays(root: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = disk::names(root)?;
    names.retain(|name| !is_ours(name));
    Ok(names)
}

fn refuse(call: Call<'_>, strays: &[OsString]) -> Result<()> {
    match strays.first() {
        Some(name) => {
            let message = format!(
                "this directory isn't a root of {} and isn't empty (it has {name:?}): name another",
                call.driver
            );
            Err(call.fail(ErrorKind::Corrupt, message))
        }
        None => Ok(()),
    }
}

/// Whether a directory is empty, but for what may lie there before it is a root.
pub(super) fn is_unfounded(root: &OwnedFd) -> io::Result<bool> {
    Ok(strays(root)?.is_empty())
}

/// What may lie in a directory that is about to become a root: what a founding
/// leaves that is cut off, the directory that ext4 has at the top of a file
/// system, and what drivers try things in.
pub(super) fn is_ours(name: &OsStr) -> bool {
    name == ".format.new"
        || name == "lost+found"
        || name.as_encoded_bytes().starts_with(ground::PREFIX.as_bytes())
}

pub(super) fn make_dirs(root: &OwnedFd, own: &[&str]) -> io::Result<()> {
    let mut made = false;
    for name in OWN_DIRS.iter().chain(own) {
        if disk::make_dir(root, name)? {
            made = true;
            disinherit(root, name)?;
        }
    }
    if made { disk::sync_dir(root) } else { Ok(()) }
}

/// Takes away a default ACL that the root passes on: else every file of every
/// tree would begin with attributes that nobody gave it.
fn disinherit(root: &OwnedFd, name: &str) -> io::Result<()> {
    let dir = disk::open_dir(root, name)?;
    for acl in ["system.posix_acl_default", "system.posix_acl_access"] {
        xattr::remove(Target::Open(dir.as_fd()), OsStr::new(acl))?;
    }
    Ok(at::chmod(&dir, 0o700, false)?)
}

/// Whether `root` holds nodes of the driver, found without opening it or
/// changing anything. A root that isn't there, or that nobody has founded,
/// holds none.
///
/// # Errors
/// `Io` if that can't be found out; `Corrupt` as [`NodeStore::open`].
pub fn has_nodes(root: &Path, driver: &'static str) -> Result<bool> {
    let call = Call { driver, op: Op::Probe, node: None };
    let at_root = |e: Error| e.with_path(root);
    let opened = disk::absent_is_none(disk::open_root(root));
    let Some(dir) = opened.map_err(call.io("open the root")).map_err(at_root)? else {
        return Ok(false);
    };
    // Before the format: who founds the root may be at it.
    let strays = strays(&dir).map_err(call.io("read the root")).map_err(at_root)?;
    let format = read(&dir).map_err(call.io("read the root's format")).map_err(at_root)?;
    let Some(format) = format else {
        return refuse(call, &strays).map(|()| false).map_err(at_root);
    };
    let newest = Format { driver: driver.to_owned(), version: u32::MAX, nodes: u32::MAX };
    judge(call, &newest, &format).map_err(at_root)?;
    let any = || -> io::Result<bool> { Ok(any_in(&dir, "layers")? || any_in(&dir, "drafts")?) };
    any().map_err(call.io("look for nodes")).map_err(at_root)
}

fn any_in(root: &OwnedFd, shelf: &str) -> io::Result<bool> {
    match disk::find_dir(root, shelf)? {
        Some(dir) => Ok(!disk::names(dir)?.is_empty()),
        None => Ok(false),
    }
}
