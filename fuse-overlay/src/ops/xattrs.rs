//! Extended attributes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::Result;
use crate::node::Id;
use crate::union::Union;

impl Union {
    /// The value of an attribute; `None` if there is none of that name.
    ///
    /// # Errors
    /// Of the layer's file system; `ESTALE` for a number that isn't known.
    pub fn xattr(&self, id: Id, name: &OsStr) -> Result<Option<Vec<u8>>> {
        let node = self.table.get(id)?;
        let _held = self.hold_places();
        self.object(&node)?.xattr(&self.settings.names.inward(name))
    }

    /// The names of all attributes, each with a zero byte behind it; the marks
    /// of the layers are none, nor are those that want a privilege that the
    /// caller hasn't got.
    ///
    /// # Errors
    /// As [`xattr`](Self::xattr).
    pub fn xattrs(&self, id: Id, privileged: bool) -> Result<Vec<u8>> {
        let node = self.table.get(id)?;
        let _held = self.hold_places();
        let names = self.object(&node)?.xattrs()?;
        let mut shown = Vec::with_capacity(names.len());
        for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            if let Some(name) = self.settings.names.outward(OsStr::from_bytes(name))
                && (privileged || !name.as_bytes().starts_with(b"trusted."))
            {
                shown.extend_from_slice(name.as_bytes());
                shown.push(0);
            }
        }
        Ok(shown)
    }

    /// Sets one, on a copy in the upper layer. `flags` as setxattr(2)'s.
    ///
    /// # Errors
    /// As [`xattr`](Self::xattr) and [`change`](Self::change); `EEXIST` and
    /// `ENODATA` as the flags say.
    pub fn set_xattr(&self, id: Id, name: &OsStr, value: &[u8], flags: u32) -> Result<()> {
        let node = self.table.get(id)?;
        let inner = self.settings.names.inward(name);
        let flags = XattrFlags::from_bits_retain(flags);
        self.refuse_early(id, name, flags)?;
        self.bring_up(&node)?;
        let _held = self.hold_places();
        self.object(&node)?.set_xattr(&inner, value, flags)
    }

    /// A call that must fail copies nothing.
    fn refuse_early(&self, id: Id, name: &OsStr, flags: XattrFlags) -> Result<()> {
        if flags.is_empty() {
            return Ok(());
        }
        match (self.xattr(id, name)?.is_some(), flags) {
            (true, XattrFlags::CREATE) => Err(Errno::EXIST),
            (false, XattrFlags::REPLACE) => Err(Errno::NODATA),
            _ => Ok(()),
        }
    }

    /// Takes one away.
    ///
    /// # Errors
    /// As [`set_xattr`](Self::set_xattr); `ENODATA` if it isn't there.
    pub fn remove_xattr(&self, id: Id, name: &OsStr) -> Result<()> {
        let node = self.table.get(id)?;
        if self.xattr(id, name)?.is_none() {
            return Err(Errno::NODATA);
        }
        self.bring_up(&node)?;
        let _held = self.hold_places();
        self.object(&node)?.remove_xattr(&self.settings.names.inward(name))
    }
}
