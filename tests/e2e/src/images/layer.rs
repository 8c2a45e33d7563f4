//! Writes entries as a tar, in the order in which they come.

use std::io::{self, Write};

use tar::{Builder, EntryType, Header};

use crate::images::entry::Entry;

/// Where a recipe puts the entries of one layer.
pub struct LayerWriter<'a> {
    tar: Builder<&'a mut dyn Write>,
}

impl std::fmt::Debug for LayerWriter<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("LayerWriter").finish_non_exhaustive()
    }
}

/// What the name fields of a header hold. Longer ones go into a PAX record.
const NAME_FIELD: usize = 100;

impl<'a> LayerWriter<'a> {
    pub(crate) fn new(out: &'a mut dyn Write) -> Self {
        Self { tar: Builder::new(out) }
    }

    /// Adds an entry after those before.
    ///
    /// # Errors
    ///
    /// The tar could not be written.
    pub fn add(&mut self, entry: &Entry) -> io::Result<()> {
        let records = records(entry);
        let records = records.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        self.tar.append_pax_extensions(records)?;
        let header = header(entry)?;
        self.tar.append(&header, entry.content.as_slice())
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.tar.finish()
    }
}

/// PAX records for what no header field can say.
fn records(entry: &Entry) -> Vec<(String, Vec<u8>)> {
    let mut records = Vec::new();
    for (name, value) in [("path", &entry.path), ("linkpath", &entry.target)] {
        if value.len() > NAME_FIELD {
            records.push((name.to_owned(), value.clone()));
        }
    }
    let (seconds, nanoseconds) = entry.mtime;
    if nanoseconds != 0 {
        records.push(("mtime".to_owned(), format!("{seconds}.{nanoseconds:09}").into_bytes()));
    }
    let xattrs = entry.xattrs.iter();
    records.extend(xattrs.map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.clone())));
    records
}

fn header(entry: &Entry) -> io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_entry_type(entry.kind);
    // Directly, because `set_path` refuses what a hostile image contains.
    let old = header.as_old_mut();
    fill(&mut old.name, &entry.path);
    fill(&mut old.linkname, &entry.target);
    header.set_mode(entry.mode);
    header.set_uid(entry.owner.0);
    header.set_gid(entry.owner.1);
    header.set_mtime(entry.mtime.0);
    header.set_size(u64::try_from(entry.content.len()).map_err(io::Error::other)?);
    if matches!(entry.kind, EntryType::Char | EntryType::Block) {
        header.set_device_major(entry.device.0)?;
        header.set_device_minor(entry.device.1)?;
    }
    header.set_cksum();
    Ok(header)
}

/// As much as fits; a record ahead holds the rest.
fn fill(field: &mut [u8; NAME_FIELD], value: &[u8]) {
    for (to, from) in field.iter_mut().zip(value) {
        *to = *from;
    }
}
