//! Listing directories.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{FileType, OFlags, RawDir};
use rustix::io::Errno;

use super::Attributes;
use crate::layer::{Kind, Object, Stat};
use crate::node::{Id, Identity, Node};
use crate::union::Union;
use crate::{Result, lock};

/// One name of a directory.
#[derive(Debug, Clone)]
pub struct Listed {
    /// It.
    pub name: Arc<OsStr>,
    /// The number of what it names.
    pub id: Id,
    /// Its type.
    pub kind: Kind,
}

/// Directories that are being listed.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: Mutex<HashMap<u64, Arc<Mutex<Stream>>>>,
    count: AtomicU64,
}

/// One open directory: what was in it when it was read from its beginning.
#[derive(Debug)]
struct Stream {
    node: Arc<Node>,
    listed: Option<Arc<[Listed]>>,
}

/// One entry as a layer has it.
struct Entry {
    name: OsString,
    ino: u64,
    kind: Option<Kind>,
}

impl Union {
    /// Begins to list a directory, and tells by which number.
    ///
    /// # Errors
    /// `ESTALE` for a number that isn't known.
    pub fn open_dir(&self, id: Id) -> Result<u64> {
        let node = self.table.get(id)?;
        let number = self.streams.count.fetch_add(1, Ordering::Relaxed);
        let stream = Stream { node, listed: None };
        lock(&self.streams.open).insert(number, Arc::new(Mutex::new(stream)));
        Ok(number)
    }

    /// Ends it.
    pub fn close_dir(&self, number: u64) {
        lock(&self.streams.open).remove(&number);
    }

    /// What is listed, from the place `from` on: the directory as it was when it
    /// was read at place 0, with `.` and `..` first.
    ///
    /// # Errors
    /// Of the layers' file systems; `EBADF` for a number that isn't known.
    pub fn list(&self, number: u64, from: u64) -> Result<Arc<[Listed]>> {
        let stream = lock(&self.streams.open).get(&number).cloned().ok_or(Errno::BADF)?;
        let mut stream = lock(&stream);
        match &stream.listed {
            Some(listed) if from != 0 => Ok(listed.clone()),
            _ => {
                let _held = self.hold_places();
                let listed: Arc<[Listed]> = self.list_all(&stream.node)?.into();
                stream.listed = Some(listed.clone());
                Ok(listed)
            }
        }
    }

    /// The attributes of a listed name, as if it was looked up; `None` if it is
    /// gone by now.
    ///
    /// # Errors
    /// As [`look_up`](Self::look_up).
    pub fn look_up_listed(&self, number: u64, listed: &Listed) -> Result<Option<Attributes>> {
        let stream = lock(&self.streams.open).get(&number).cloned().ok_or(Errno::BADF)?;
        let parent = lock(&stream).node.clone();
        let _held = self.hold_places();
        match self.find(&parent, &listed.name)? {
            Some(found) => self.tell_all(&parent, &listed.name, found).map(Some),
            None => Ok(None),
        }
    }

    fn list_all(&self, node: &Arc<Node>) -> Result<Vec<Listed>> {
        let dot = |name: &str, id| Listed {
            name: Arc::from(OsStr::new(name)),
            id,
            kind: Kind::Directory,
        };
        let above = node.state().name().map_or(node.id, |name| name.parent.id);
        let mut listed = vec![dot(".", node.id), dot("..", above)];
        self.each_entry(node, |entry, dev, kind| {
            let id = self.table.id(Identity { dev, ino: entry.ino }.into());
            listed.push(Listed { name: Arc::from(entry.name.as_os_str()), id, kind });
            Ok(true)
        })?;
        Ok(listed)
    }

    /// Whether nothing is seen in a directory.
    pub(crate) fn is_empty(&self, node: &Arc<Node>) -> Result<bool> {
        let mut empty = true;
        self.each_entry(node, |_, _, _| {
            empty = false;
            Ok(false)
        })?;
        Ok(empty)
    }

    /// Calls `see` for each name that is seen, until it says no. The caller holds
    /// the places.
    fn each_entry(
        &self,
        node: &Arc<Node>,
        mut see: impl FnMut(&Entry, u64, Kind) -> Result<bool>,
    ) -> Result<()> {
        // What is open though it was removed has nothing in it.
        if node.id != crate::node::ROOT && node.state().name().is_none() {
            return Ok(());
        }
        let lowers = node.lowers();
        let mut parts = Vec::with_capacity(lowers.len() + 1);
        if node.is_upper() {
            parts.push(self.upper_dir(node)?);
        }
        for dir in lowers.iter() {
            parts.push(self.lower_dir(dir)?);
        }
        let mut seen: HashSet<OsString> = HashSet::new();
        let last = parts.len().saturating_sub(1);
        for (place, part) in parts.into_iter().enumerate() {
            let dev = Stat::of(&part)?.dev();
            for entry in entries(&Object::Open(part.clone()))? {
                if seen.contains(&entry.name) {
                    continue;
                }
                let kind = match entry.kind {
                    // Only now is there a reason to ask: it may be a whiteout.
                    None | Some(Kind::Character) => {
                        let stat = Stat::at(&part, &entry.name)?;
                        (!stat.is_whiteout()).then_some(stat.kind)
                    }
                    kind => kind,
                };
                if let Some(kind) = kind
                    && !see(&entry, dev, kind)?
                {
                    return Ok(());
                }
                if place != last {
                    seen.insert(entry.name);
                }
            }
        }
        Ok(())
    }
}

/// All entries of one layer's directory but `.` and `..`.
fn entries(dir: &Object) -> Result<Vec<Entry>> {
    let fd = dir.open(OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut buffer = Vec::with_capacity(64 * 1024);
    let mut raw = RawDir::new(fd, buffer.spare_capacity_mut());
    let mut entries = Vec::new();
    while let Some(entry) = raw.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            let kind = kind_of(entry.file_type());
            entries.push(Entry {
                name: OsStr::from_bytes(name).to_owned(),
                ino: entry.ino(),
                kind,
            });
        }
    }
    Ok(entries)
}

fn kind_of(file_type: FileType) -> Option<Kind> {
    Some(match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::Character,
        FileType::BlockDevice => Kind::Block,
        FileType::Unknown => return None,
    })
}
