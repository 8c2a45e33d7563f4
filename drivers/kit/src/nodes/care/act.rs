//! Putting a finding right. The caller holds the root lock, and has just seen
//! that it still is so.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use graphdriver_api::{NodeId, NodeRef, Repaired, Result};
use rustix::fs::{self, CWD, Mode, OFlags};

use super::super::record::{self, Record};
use super::super::{NodeStore, children, disk, format, reclaim};
use super::Rules;
use super::found::{Action, Found};
use super::look::Look;
use super::nodes::is_held;
use crate::at::{self, Meta};
use crate::deep;

/// What opening the store puts right, or reclaiming.
pub(super) fn by_opening(action: &Action, root: &Path, rules: &Rules) -> Result<Repaired> {
    let store = NodeStore::open(root, rules.layout)?;
    if *action == Action::Reclaim {
        store.reclaim()?;
    }
    Ok(Repaired::Mended)
}

pub(super) fn act(look: &Look<'_>, found: &Found, quarantine: &Path) -> io::Result<Repaired> {
    let node = found.finding.node.as_ref();
    if let Some(node) = node
        && !matches!(found.action, Action::Link(..) | Action::Own)
        && is_held(look, node.as_ref())?
    {
        return Ok(Repaired::Kept);
    }
    match &found.action {
        Action::WriteFormat => format::write_again(&look.root, &look.rules.layout)?,
        Action::MakeDirs => format::make_dirs(&look.root, look.rules.layout.own)?,
        Action::Own => give_back(look, &found.finding.path)?,
        Action::SetAside => return set_aside(look, &found.finding.path, quarantine),
        Action::WriteRecord(node, record) => write_record(look, node, record)?,
        Action::WriteLock(layer, record) => write_lock(look, layer.into(), record)?,
        Action::Link(parent, child) => link(look, parent.into(), child)?,
        Action::Discard(id) => {
            let Some(store) = look.store()? else { return Ok(Repaired::Kept) };
            reclaim::set_aside(&store, store.drafts.as_fd(), id.as_str())?;
        }
        Action::DeleteTicket(id) => {
            let tickets = disk::open_dir(&look.root, "tickets")?;
            disk::remove_file(&tickets, id.as_str())?;
            disk::sync_dir(tickets)?;
        }
        Action::Open | Action::Reclaim | Action::Nothing => return Ok(Repaired::Kept),
    }
    Ok(Repaired::Mended)
}

fn give_back(look: &Look<'_>, path: &Path) -> io::Result<()> {
    let root = Meta::of(&look.root)?;
    let dir = deep::open_dir(&look.root, path)?;
    at::chown(&dir, root.uid, root.gid)?;
    at::chmod(&dir, 0o700, false)?;
    Ok(fs::fsync(&dir)?)
}

/// Moves what lies at `path` into the quarantine, under a name of its own.
fn set_aside(look: &Look<'_>, path: &Path, quarantine: &Path) -> io::Result<Repaired> {
    let Some(name) = path.file_name() else { return Ok(Repaired::Kept) };
    let above = path.parent().unwrap_or_else(|| Path::new(""));
    let from = deep::open_dir(&look.root, above)?;
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let to = fs::openat(CWD, quarantine, flags, Mode::empty())?;
    let unique = unique(name)?;
    fs::renameat(&from, name, &to, &unique)?;
    disk::sync_dir(&to)?;
    disk::sync_dir(&from)?;
    Ok(Repaired::SetAside(quarantine.join(unique)))
}

fn unique(name: &OsStr) -> io::Result<PathBuf> {
    let mut random = [0; 4];
    rustix::rand::getrandom(&mut random[..], rustix::rand::GetRandomFlags::empty())?;
    // Ids are shorter than a name may be; a stranger's name is cut.
    let mut bytes = name.as_encoded_bytes().to_vec();
    bytes.truncate(240);
    bytes.extend(format!(".{:08x}", u32::from_ne_bytes(random)).bytes());
    Ok(OsString::from_vec(bytes).into())
}

fn write_record(look: &Look<'_>, node: &NodeId, record: &Record) -> io::Result<()> {
    let Some(dir) = look.open_node(node.as_ref())? else { return Ok(()) };
    let bytes = serde_json::to_vec(record)?;
    disk::replace_file(&dir, record::file_name(node.as_ref()), &bytes)
}

fn write_lock(look: &Look<'_>, node: NodeRef<'_>, record: &Record) -> io::Result<()> {
    let Some(dir) = look.open_node(node)? else { return Ok(()) };
    disk::replace_file(&dir, record::LOCKED, &serde_json::to_vec(record)?)
}

fn link(look: &Look<'_>, parent: NodeRef<'_>, child: &NodeId) -> io::Result<()> {
    let Some(dir) = look.open_node(parent)? else { return Ok(()) };
    children::link(dir.as_fd(), child.as_ref())?;
    children::sync(dir.as_fd())
}
