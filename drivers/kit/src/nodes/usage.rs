//! How much space a tree holds.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use graphdriver_api::Usage;

use super::disk::absent_is_none;
use crate::at::{FileId, Kind, Meta, Names};
use crate::deep;

/// Counts what a tree holds, its root directory included: allocated bytes,
/// inodes and content, a hard-linked file once.
///
/// In a tree that changes meanwhile, what comes and goes may be counted or not;
/// that is no error. Cost: one system call a file. Memory grows with the files
/// that have several names.
///
/// # Errors
/// Of the medium.
pub fn usage_of(root: BorrowedFd<'_>) -> io::Result<Usage> {
    let mut count = Count { usage: Usage::default(), seen: HashSet::new(), todo: Vec::new() };
    count.add(&Meta::of(root)?);
    count.todo.push(PathBuf::new());
    while let Some(path) = count.todo.pop() {
        // It may have been removed or renamed meanwhile.
        if let Some(dir) = absent_is_none(deep::open_dir(root, &path).map_err(Into::into))? {
            count.directory(&dir, &path)?;
        }
    }
    Ok(count.usage)
}

struct Count {
    usage: Usage,
    seen: HashSet<FileId>,
    todo: Vec<PathBuf>,
}

impl Count {
    fn directory(&mut self, dir: &OwnedFd, path: &Path) -> io::Result<()> {
        for entry in Names::read(dir)?.iter() {
            let found = Meta::at(dir.as_fd(), entry.name).map_err(Into::into);
            let Some(meta) = absent_is_none(found)? else { continue };
            if meta.is_dir() {
                self.todo.push(path.join(entry.name));
            }
            self.add(&meta);
        }
        Ok(())
    }

    fn add(&mut self, meta: &Meta) {
        if !meta.is_dir() && meta.nlink > 1 && !self.seen.insert(meta.id) {
            return;
        }
        // st_blocks counts 512s, whatever the block size.
        self.usage.bytes += meta.blocks * 512;
        self.usage.inodes += 1;
        if meta.kind == Kind::File {
            self.usage.content += meta.size;
        }
    }
}
