//! Whether two files are the same to an archive.

use std::ffi::OsStr;
use std::path::Path;

use graphdriver_api::{Op, Result};
use rustix::io::Errno;

use super::content;
use super::walk::Located;
use crate::at::xattr::{self, Target, Xattrs};
use crate::at::{self, Context, Kind, Meta, Time};
use crate::whiteout::is_content;

/// How closely to look, and what to call it in errors.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The path that errors name.
    pub path: &'a Path,
    /// As [`Trees::baseline`](super::Trees::baseline).
    pub baseline: Option<Time>,
}

/// Whether `new` is the same as `old` in all that an archive holds: type,
/// owner, mode, modification time, size, device number, link target, extended
/// attributes, content. Other names of the files don't matter.
///
/// Cost: what is cheap to compare comes first; content is read only if all
/// else is alike and no baseline says that it is untouched.
///
/// # Errors
/// Those of reading either. A newer file that vanishes meanwhile isn't the
/// same.
pub fn same(op: Op, old: &Located<'_>, new: &Located<'_>, look: &Look<'_>) -> Result<bool> {
    if old.meta.id == new.meta.id {
        return Ok(true);
    }
    if !alike(&old.meta, &new.meta) {
        return Ok(false);
    }
    if look.baseline.is_some_and(|copied| new.meta.ctime < copied) {
        return Ok(true);
    }
    Ok(same_attributes(op, old, new, look)? && same_content(op, old, new, look)?)
}

/// What stat(2) tells, as far as it is part of a tree.
fn alike(old: &Meta, new: &Meta) -> bool {
    let sized = matches!(old.kind, Kind::File | Kind::Symlink);
    old.kind == new.kind
        && (old.mode, old.uid, old.gid) == (new.mode, new.uid, new.gid)
        && old.mtime == new.mtime
        && old.device == new.device
        && (!sized || old.size == new.size)
}

fn same_attributes(op: Op, old: &Located<'_>, new: &Located<'_>, look: &Look<'_>) -> Result<bool> {
    match attributes(new) {
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(e).doing(op, "read extended attributes", look.path),
        Ok(now) => {
            let before = attributes(old).doing(op, "read extended attributes below", look.path)?;
            Ok(before == now)
        }
    }
}

fn attributes(file: &Located<'_>) -> rustix::io::Result<Xattrs> {
    xattr::read(Target::Entry(file.dir, file.name), is_content)
}

fn same_content(op: Op, old: &Located<'_>, new: &Located<'_>, look: &Look<'_>) -> Result<bool> {
    match old.meta.kind {
        Kind::Symlink => {
            let before = at::read_link(old.dir, old.name).doing(op, "read the link", look.path)?;
            match at::read_link(new.dir, new.name) {
                Err(Errno::NOENT | Errno::INVAL) => Ok(false),
                now => Ok(now.doing(op, "read the link", look.path)? == before),
            }
        }
        Kind::File => {
            let (before, _) =
                at::open_file(old.dir, old.name).doing(op, "open the file", look.path)?;
            match at::open_file(new.dir, new.name) {
                Err(Errno::NOENT | Errno::INVAL) => Ok(false),
                now => {
                    let (now, meta) = now.doing(op, "open the file", look.path)?;
                    let same = meta.size == old.meta.size
                        && content::same(&before, &now, meta.size).doing(
                            op,
                            "read the file",
                            look.path,
                        )?;
                    Ok(same)
                }
            }
        }
        _ => Ok(true),
    }
}

/// Whether a root is as that of an empty tree: 0755, 0:0, time 0, without
/// attributes ([`graphdriver_api::Base::Scratch`]).
pub(super) fn is_plain_root(op: Op, root: &Located<'_>) -> Result<bool> {
    let meta = &root.meta;
    let plain = (meta.mode, meta.uid, meta.gid, meta.mtime) == (0o755, 0, 0, Time::default());
    let target = Target::Entry(root.dir, OsStr::new("."));
    let attributes = xattr::read(target, is_content).doing(op, "read extended attributes", ".")?;
    Ok(plain && attributes.is_empty())
}
