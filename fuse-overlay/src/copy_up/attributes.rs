//! All of a file but its content.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::times_of;
use crate::Result;
use crate::format::Names;
use crate::layer::{Kind, Object, Stat};

/// Gives `to` what `from` has: extended attributes but the marks, owner,
/// permissions and times. In that order: a change of owner takes set-id bits
/// and capabilities away, and everything changes the time.
pub(super) fn copy_attributes(from: &Object, stat: &Stat, to: &Object, names: Names) -> Result<()> {
    to.chown(Some(stat.x.stx_uid), Some(stat.x.stx_gid))?;
    if stat.kind != Kind::Symlink {
        to.chmod(stat.permissions())?;
    }
    copy_xattrs(from, to, names)?;
    to.set_times(&times_of(stat))
}

fn copy_xattrs(from: &Object, to: &Object, names: Names) -> Result<()> {
    for name in from.xattrs()?.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = OsStr::from_bytes(name);
        if names.outward(name).is_none() {
            continue;
        }
        // Between the list and here nobody changes a lower layer.
        let Some(value) = from.xattr(name)? else { continue };
        match to.set_xattr(name, &value, XattrFlags::empty()) {
            Ok(()) => {}
            // A security module sets its own; a file system without any has
            // never had what would be lost.
            Err(Errno::OPNOTSUPP | Errno::PERM) if may_be_left(name) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// What the kernel's overlayfs leaves behind too, if the upper file system
/// doesn't take it: labels of security modules, which belong to the mount.
fn may_be_left(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.starts_with(b"security.") && name != b"security.capability"
}
