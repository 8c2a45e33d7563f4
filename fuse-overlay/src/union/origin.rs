//! Where upper files came from: written when they are copied up, so that they
//! have the same number after the next mount.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, XattrFlags, openat};
use rustix::io::Errno;
use sapwood_sys::file_handle;

use super::Union;
use crate::Result;
use crate::format::Origin;
use crate::layer::{Object, Stat};
use crate::node::Identity;

/// How a layer's file system can be told from others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Home {
    pub(super) dev: u64,
    pub(super) uuid: [u8; 16],
}

impl Home {
    /// Of the layer with that root.
    pub(super) fn of(root: &OwnedFd) -> Result<Self> {
        let dev = Stat::of(root)?.dev();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let readable = openat(root, ".", flags, Mode::empty());
        let uuid = readable.ok().and_then(file_handle::file_system_uuid).unwrap_or_default();
        Ok(Self { dev, uuid })
    }
}

impl Union {
    /// The mark that says which lower file an upper one was copied from.
    pub(super) fn read_origin(&self, upper: &Object) -> Result<Option<Vec<u8>>> {
        upper.xattr(OsStr::new(self.marks().origin))
    }

    /// The lower file that such a mark names, as far as that can be known.
    pub(super) fn origin_in(&self, mark: &[u8]) -> Option<Identity> {
        let origin = Origin::parse(mark)?;
        let home = self.homes.iter().find(|home| home.uuid == origin.uuid)?;
        Some(Identity { dev: home.dev, ino: origin.ino()? })
    }

    /// Notes in `copy` where it comes from. Best effort, as with the kernel:
    /// without it the number will be another after the next mount.
    pub(crate) fn note_origin(&self, mark: Option<&[u8]>, copy: &Object) -> Result<()> {
        let Some(value) = mark else { return Ok(()) };
        let name = OsStr::new(self.marks().origin);
        match copy.set_xattr(name, value, XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP | Errno::PERM) => Ok(()),
            done => done,
        }
    }
}
