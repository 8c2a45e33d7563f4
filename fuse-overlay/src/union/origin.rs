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
    dev: u64,
    uuid: [u8; 16],
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
    /// The lower file that an upper one was copied from, if that is known.
    pub(super) fn origin_of(&self, upper: &Object) -> Result<Option<Identity>> {
        let Some(value) = upper.xattr(OsStr::new(self.marks().origin))? else { return Ok(None) };
        let Some(origin) = Origin::parse(&value) else { return Ok(None) };
        let home = self.homes.iter().find(|home| home.uuid == origin.uuid);
        Ok(home.zip(origin.ino()).map(|(home, ino)| Identity { dev: home.dev, ino }))
    }

    /// Notes in `copy` where it comes from. Best effort, as with the kernel:
    /// without it the number will be another after the next mount.
    pub(crate) fn note_origin(&self, lower: &Object, stat: &Stat, copy: &Object) -> Result<()> {
        let home = self.homes.iter().find(|home| home.dev == stat.dev());
        let handle = lower.pin().and_then(file_handle::of);
        let (Some(home), Ok(handle)) = (home, handle) else { return Ok(()) };
        let Ok(kind) = u8::try_from(handle.kind) else { return Ok(()) };
        let origin = Origin { kind, uuid: home.uuid, handle: handle.bytes };
        let Some(value) = origin.value() else { return Ok(()) };
        let name = OsStr::new(self.marks().origin);
        match copy.set_xattr(name, &value, XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP | Errno::PERM) => Ok(()),
            done => done,
        }
    }
}
