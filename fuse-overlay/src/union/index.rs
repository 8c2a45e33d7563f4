//! The index: which lower files with several names were copied up, so that all
//! their names lead to the copy.
//!
//! As overlayfs's (`index=on`): a directory beside the workshop, in which each
//! copy has a name that is made of the lower file's handle.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::sync::Arc;

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use sapwood_sys::file_handle;

use super::{Union, Work};
use crate::Result;
use crate::format::{Origin, links_mark, read_links_mark};
use crate::layer::{Object, Stat, absent_is_none};

/// A copy that is in the index.
#[derive(Debug, Clone)]
pub(crate) struct Indexed {
    /// Its name there.
    pub(crate) name: Arc<OsStr>,
    /// How many names more it has in the union than links in the upper layer.
    pub(crate) more: i64,
}

impl Union {
    /// The value of the mark `origin` for a copy of this lower file; `None` if
    /// its file system has no handles.
    pub(crate) fn origin_mark(&self, lower: &Object, stat: &Stat) -> Option<Vec<u8>> {
        let home = self.homes.iter().find(|home| home.dev == stat.dev())?;
        let handle = lower.pin().and_then(file_handle::of).ok()?;
        let kind = u8::try_from(handle.kind).ok()?;
        Origin { kind, uuid: home.uuid, handle: handle.bytes }.value()
    }

    /// The name that a copy of a lower file has in the index; `None` if it has
    /// none because it needs none, or there is no index.
    pub(crate) fn index_name(&self, stat: &Stat, mark: Option<&[u8]>) -> Option<OsString> {
        let wanted = self.settings.index && stat.x.stx_nlink > 1 && !stat.is_dir();
        mark.filter(|_| wanted).map(hexadecimal)
    }

    /// The copy of a lower file, by whatever name of it that was made.
    pub(super) fn copy_of(&self, lower: &Object, stat: &Stat) -> Result<Option<(Indexed, Stat)>> {
        let Some(upper) = self.upper.as_ref() else { return Ok(None) };
        if !self.settings.index || stat.x.stx_nlink < 2 {
            return Ok(None);
        }
        let mark = self.origin_mark(lower, stat);
        let Some(name) = self.index_name(stat, mark.as_deref()) else { return Ok(None) };
        self.in_index(&upper.work, name)
    }

    /// Where a file of the upper layer is in the index, if it is.
    pub(super) fn place_in_index(&self, stat: &Stat, mark: &[u8]) -> Result<Option<Indexed>> {
        let Some(upper) = self.upper.as_ref() else { return Ok(None) };
        if !self.settings.index || stat.x.stx_nlink < 2 {
            return Ok(None);
        }
        let found = self.in_index(&upper.work, hexadecimal(mark))?;
        Ok(found.filter(|(_, copy)| copy.x.stx_ino == stat.x.stx_ino).map(|(indexed, _)| indexed))
    }

    fn in_index(&self, work: &Work, name: OsString) -> Result<Option<(Indexed, Stat)>> {
        let name: Arc<OsStr> = Arc::from(name);
        let object = Object::At(work.index().clone(), name.clone());
        let Some(stat) = absent_is_none(object.stat())? else { return Ok(None) };
        if stat.is_whiteout() {
            return Ok(None);
        }
        let mark = object.xattr(OsStr::new(self.marks().nlink))?.unwrap_or_default();
        let more = read_links_mark(&mark).unwrap_or(0);
        Ok(Some((Indexed { name, more }, stat)))
    }

    /// Where the copy is.
    pub(crate) fn indexed_object(&self, indexed: &Indexed) -> Result<Object> {
        Ok(Object::At(self.upper()?.work.index().clone(), indexed.name.clone()))
    }

    /// Notes how many names more a copy has than links.
    pub(crate) fn note_links(&self, copy: &Object, more: i64) -> Result<()> {
        let name = OsStr::new(self.marks().nlink);
        match copy.set_xattr(name, &links_mark(more), XattrFlags::empty()) {
            // Special files can't have marks of the kind `user`: their number
            // of links is as the layer's, then.
            Err(Errno::OPNOTSUPP | Errno::PERM) => Ok(()),
            done => done,
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> OsString {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string can't fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text.into()
}
