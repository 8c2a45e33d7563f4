//! Reads what a driver wrote: headers and records, as far as cases ask.

use std::io::Read as _;

use super::super::stop::{Stop, Verdict, When};

/// An entry as it stands in an archive.
#[derive(Debug, Clone)]
pub(in super::super) struct Read {
    /// Its path, long names included.
    pub(in super::super) path: Vec<u8>,
    /// The header's type flag.
    pub(in super::super) kind: u8,
    /// Permission bits as written.
    pub(in super::super) mode: u32,
    /// The link's target, or nothing.
    pub(in super::super) link: Vec<u8>,
    /// The content.
    pub(in super::super) data: Vec<u8>,
    /// Its PAX records, in order.
    pub(in super::super) records: Vec<(String, Vec<u8>)>,
    /// The name of the owner and of the group.
    pub(in super::super) names: (Vec<u8>, Vec<u8>),
}

impl Read {
    /// The value of a PAX record.
    pub(in super::super) fn record(&self, key: &str) -> Option<&[u8]> {
        self.records.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_slice())
    }

    /// The path without the slash at the end, for a message or a list.
    pub(in super::super) fn name(&self) -> String {
        let path = self.path.strip_suffix(b"/").unwrap_or(&self.path);
        path.escape_ascii().to_string()
    }
}

/// Every entry of an archive, which must have its end.
pub(in super::super) fn entries(bytes: &[u8]) -> Verdict<Vec<Read>> {
    let ended = bytes.len() >= 1024 && bytes.len() % 512 == 0;
    if !ended || bytes[bytes.len() - 1024..].iter().any(|b| *b != 0) {
        return Err(Stop::failed("the archive doesn't end with two blocks of zeros"));
    }
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().when("read the archive")?;
    entries.map(|entry| one(entry.when("read an entry")?)).collect()
}

fn one(mut entry: tar::Entry<'_, &[u8]>) -> Verdict<Read> {
    let mut records = Vec::new();
    if let Some(extensions) = entry.pax_extensions().when("read the records")? {
        for extension in extensions {
            let extension = extension.when("read a record")?;
            let key = String::from_utf8_lossy(extension.key_bytes()).into_owned();
            records.push((key, extension.value_bytes().to_vec()));
        }
    }
    let mut data = Vec::new();
    entry.read_to_end(&mut data).when("read content")?;
    let header = entry.header();
    Ok(Read {
        path: entry.path_bytes().into_owned(),
        kind: header.entry_type().as_byte(),
        mode: header.mode().when("read a mode")?,
        link: entry.link_name_bytes().unwrap_or_default().into_owned(),
        names: (
            header.username_bytes().unwrap_or_default().to_vec(),
            header.groupname_bytes().unwrap_or_default().to_vec(),
        ),
        data,
        records,
    })
}
