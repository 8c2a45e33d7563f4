//! PAX extended header records (pax(1), "pax Extended Header").

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::super::pax;
use super::header::{Header, Type};

/// The records of one entry, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    named: bool,
}

impl Records {
    /// Adds `key=value`.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        pax::push(&mut self.bytes, key, value);
    }

    /// Adds an extended attribute: in star's form, which every engine reads; a
    /// name with an equals sign, which would end the key, in libarchive's.
    pub(super) fn xattr(&mut self, name: &[u8], value: &[u8]) {
        if name.contains(&b'=') {
            let key = [b"LIBARCHIVE.xattr.", escaped(name).as_bytes()].concat();
            self.add(&key, STANDARD_NO_PAD.encode(value).as_bytes());
        } else {
            self.add(&[b"SCHILY.xattr.", name].concat(), value);
        }
    }

    /// Says that the entry is a sparse file of this name and size, with its map
    /// before its content (GNU tar's manual, "PAX Format, Version 1.0").
    pub(super) fn sparse(&mut self, path: &[u8], size: u64) {
        self.add(b"GNU.sparse.major", b"1");
        self.add(b"GNU.sparse.minor", b"0");
        self.add(b"GNU.sparse.name", path);
        self.add(b"GNU.sparse.realsize", size.to_string().as_bytes());
        self.named = true;
    }

    /// Whether the entry's real name is in a record already.
    pub(super) fn names_the_file(&self) -> bool {
        self.named
    }

    /// The entry that holds the records, whole blocks; `None` without records.
    pub(super) fn entry(&self, of: &[u8]) -> Option<Vec<u8>> {
        if self.bytes.is_empty() {
            return None;
        }
        let base = of.strip_suffix(b"/").unwrap_or(of);
        let base = base.rsplit(|b| *b == b'/').next().unwrap_or(base);
        // Only who doesn't know records ever sees this name.
        let name = [b"PaxHeaders/", base].concat();
        let mut header = Header::new(Type::Records, &name);
        header.mode(0o644);
        header.size(self.bytes.len() as u64);
        let mut entry = header.block().to_vec();
        entry.extend_from_slice(&self.bytes);
        entry.resize(entry.len().next_multiple_of(512), 0);
        Some(entry)
    }
}

/// Percent-encoding, as libarchive does it with names.
fn escaped(name: &[u8]) -> String {
    let mut text = String::new();
    for byte in name {
        match byte {
            b'%' | b'=' | 0..=32 | 127..=255 => text.push_str(&format!("%{byte:02X}")),
            plain => text.push(char::from(*plain)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_an_equals_sign_goes_the_other_way() {
        let mut records = Records::default();
        records.xattr(b"user.a", b"1=\n");
        records.xattr(b"user.a=b%", b"\xff");
        let text = String::from_utf8_lossy(&records.bytes).into_owned();
        assert_eq!(text, "27 SCHILY.xattr.user.a=1=\n\n37 LIBARCHIVE.xattr.user.a%3Db%25=/w\n");
    }
}
