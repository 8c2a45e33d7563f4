//! Gives files the attributes of their entries.
//!
//! The order matters: a change of owner clears setuid and file capabilities, so
//! it comes first; an ACL sets the group's bits of the mode, so it comes after
//! the mode; times come last of all, and are the caller's part.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;

use graphdriver_api::{Error, ErrorKind, Op, Result};
use rustix::io::Errno;

use crate::archive::entry::Attributes;
use crate::at::xattr::{self, Target, Xattrs};
use crate::at::{self, Kind, Meta};
use crate::{fault, whiteout};

use super::bad;

const ACCESS_ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";

/// The attribute that a directory gives to what is made in it.
pub(super) fn default_acl() -> &'static OsStr {
    OsStr::new(DEFAULT_ACL)
}

/// A file whose attributes are to be set, with those that it has.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    /// An open file, or an `O_PATH` descriptor of a special one.
    pub(super) fd: BorrowedFd<'a>,
    /// Whether it is such a descriptor.
    pub(super) path_only: bool,
    pub(super) meta: Meta,
    /// Whether it has attributes that its entry may not have.
    pub(super) existing: bool,
}

impl<'a> File<'a> {
    fn target(self) -> Target<'a> {
        if self.path_only { Target::Path(self.fd) } else { Target::Open(self.fd) }
    }

    /// Sets everything but the times, and only what differs.
    pub(super) fn set(self, new: &Attributes) -> Result<()> {
        let chowned = (self.meta.uid, self.meta.gid) != (new.uid, new.gid);
        if chowned {
            fault::point("archive.apply.chown").map_err(|e| Error::io(Op::Apply, "", e))?;
            at::chown(self.fd, new.uid, new.gid).map_err(|e| owner_error(e, new))?;
        }
        if self.meta.mode != new.mode || (chowned && new.mode & 0o6000 != 0) {
            fault::point("archive.apply.chmod").map_err(|e| Error::io(Op::Apply, "", e))?;
            at::chmod(self.fd, new.mode, self.path_only)
                .map_err(|e| Error::io(Op::Apply, "set the mode", e))?;
        }
        set_xattrs(self.target(), &new.xattrs, self.existing)
    }
}

/// Makes the attributes those of the entry: what the file has beyond them, of
/// what belongs to a tree, is removed.
pub(super) fn set_xattrs(file: Target<'_>, new: &Xattrs, existing: bool) -> Result<()> {
    if existing {
        let old = xattr::read(file, whiteout::is_content)
            .map_err(|e| Error::io(Op::Apply, "read the attributes", e))?;
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            xattr::remove(file, name).map_err(|e| xattr_error(e, name))?;
        }
    }
    for (name, value) in new {
        fault::point("archive.apply.xattr").map_err(|e| Error::io(Op::Apply, "", e))?;
        xattr::set(file, name, value).map_err(|e| xattr_error(e, name))?;
    }
    Ok(())
}

/// Gives a directory the fixed attributes of one that no entry names. What it
/// has of attributes is removed if it is an `existing` one.
pub(super) fn imply(dir: BorrowedFd<'_>, meta: Meta, existing: bool) -> Result<()> {
    let new = Attributes { mode: 0o755, ..Attributes::default() };
    File { fd: dir, path_only: false, meta, existing }.set(&new)
}

/// Takes away the ACL that a new file got from its directory.
pub(super) fn drop_inherited_acl(file: Target<'_>, kind: Kind) -> rustix::io::Result<()> {
    xattr::remove(file, OsStr::new(ACCESS_ACL))?;
    if kind == Kind::Directory {
        xattr::remove(file, OsStr::new(DEFAULT_ACL))?;
    }
    Ok(())
}

/// An owner that this user namespace has no name for.
pub(super) fn owner_error(error: Errno, new: &Attributes) -> Error {
    let Attributes { uid, gid, .. } = new;
    let words = format!("set the owner {uid}:{gid}");
    match error {
        Errno::INVAL | Errno::OVERFLOW => {
            let words =
                format!("{words}: not mapped here, widen the range in /etc/subuid and subgid");
            Error::io(Op::Apply, words, error).with_kind(ErrorKind::Unsupported)
        }
        _ => Error::io(Op::Apply, words, error),
    }
}

fn xattr_error(error: Errno, name: &OsStr) -> Error {
    match error {
        // The kernel reads these itself.
        Errno::INVAL
            if name == "security.capability" || name == ACCESS_ACL || name == DEFAULT_ACL =>
        {
            bad(format!("an attribute {name:?} with a damaged value"))
        }
        Errno::PERM | Errno::ACCESS => {
            let words = format!("the attribute {name:?} can't be set here on this type of file");
            Error::io(Op::Apply, words, error).with_kind(ErrorKind::Unsupported)
        }
        _ => Error::io(Op::Apply, format!("set the attribute {name:?}"), error),
    }
}
