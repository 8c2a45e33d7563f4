//! What extension records say of an entry, in place of or beside its header.
//!
//! Pure.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::at::Time;
use crate::at::xattr::Xattrs;
use crate::whiteout;

use super::pax::{Records, decimal, time};
use super::rule::{Parsed, Rule};
use super::{acl, sparse};

/// libarchive leaves the padding out, and others don't.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// For which entries records hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// For the next one.
    Local,
    /// For all that follow.
    Global,
}

/// What records say; `None` where they say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    /// The whole name.
    pub path: Option<Vec<u8>>,
    /// The target of a link.
    pub linkpath: Option<Vec<u8>>,
    /// Bytes in the archive.
    pub size: Option<u64>,
    /// The owner.
    pub uid: Option<u64>,
    /// The group.
    pub gid: Option<u64>,
    /// Last change of content.
    pub mtime: Option<Time>,
    /// Last read.
    pub atime: Option<Time>,
    /// Extended attributes, ACLs among them.
    pub xattrs: Xattrs,
    /// The holes of a sparse file.
    pub sparse: SparseRecords,
}

/// Records about a sparse file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SparseRecords {
    /// The file's name; the one in `path` and in the header is made up then.
    pub name: Option<Vec<u8>>,
    /// The file's size.
    pub size: Option<u64>,
    /// Offsets and lengths in turn (formats 0.0 and 0.1).
    pub numbers: Option<Vec<u64>>,
    /// The format, from 1.0 on.
    pub version: (Option<u64>, Option<u64>),
}

impl SparseRecords {
    /// Whether the map stands before the content (format 1.0).
    ///
    /// # Errors
    /// A format that nobody knows.
    pub fn is_map_in_content(&self) -> Parsed<bool> {
        match self.version {
            (None, None) => Ok(false),
            (Some(1), Some(0)) => Ok(true),
            (Some(0), Some(0 | 1)) => Ok(false),
            _ => Err("a sparse file in a format other than 0.0, 0.1 and 1.0".into()),
        }
    }

    /// The map of formats 0.0 and 0.1, if it is there.
    ///
    /// # Errors
    /// As [`sparse::from_pairs`]; a map without the file's size.
    pub fn map(&self) -> Parsed<Option<sparse::Map>> {
        match (&self.numbers, self.size) {
            (Some(numbers), Some(size)) => sparse::from_pairs(size, numbers).map(Some),
            (Some(_), None) => Err("a map of a sparse file without the file's size".into()),
            (None, _) => Ok(None),
        }
    }
}

impl Extensions {
    /// Takes in the records in `data`.
    ///
    /// # Errors
    /// A damaged record, or one that can't be meant.
    pub fn read(&mut self, data: &[u8], scope: Scope) -> Parsed<()> {
        for record in Records::new(data) {
            let (keyword, value) = record?;
            if scope == Scope::Global && is_of_one_entry(keyword) {
                return Err(format!(
                    "a global record {:?}, which can only hold for one entry",
                    OsStr::from_bytes(keyword)
                )
                .into());
            }
            self.record(keyword, value).map_err(|rule| {
                Rule::new(format!("{rule} (record {:?})", OsStr::from_bytes(keyword)))
            })?;
        }
        Ok(())
    }

    fn record(&mut self, keyword: &[u8], value: &[u8]) -> Parsed<()> {
        match keyword {
            b"path" => self.path = text(value)?,
            b"linkpath" => self.linkpath = text(value)?,
            b"size" => self.size = number(value)?,
            b"uid" => self.uid = number(value)?,
            b"gid" => self.gid = number(value)?,
            b"mtime" => self.mtime = moment(value)?,
            b"atime" => self.atime = moment(value)?,
            _ if keyword.starts_with(b"GNU.sparse.") => self.sparse_record(keyword, value)?,
            _ => return self.attribute(keyword, value),
        }
        Ok(())
    }

    fn sparse_record(&mut self, keyword: &[u8], value: &[u8]) -> Parsed<()> {
        let sparse = &mut self.sparse;
        match keyword {
            b"GNU.sparse.name" => sparse.name = text(value)?,
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => sparse.size = number(value)?,
            b"GNU.sparse.major" => sparse.version.0 = number(value)?,
            b"GNU.sparse.minor" => sparse.version.1 = number(value)?,
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                let numbers = sparse.numbers.get_or_insert_default();
                let is_length = keyword == b"GNU.sparse.numbytes";
                if (numbers.len() % 2 == 1) != is_length {
                    return Err("offsets and lengths that don't take turns".into());
                }
                numbers.extend(number(value)?);
            }
            b"GNU.sparse.map" => {
                let numbers = value.split(|byte| *byte == b',').filter(|n| !n.is_empty());
                let numbers = numbers.map(|n| decimal(n).ok_or_else(not_a_number));
                sparse.numbers = Some(numbers.collect::<Parsed<_>>()?);
            }
            // The number of parts, which the parts themselves tell.
            _ => {}
        }
        Ok(())
    }

    /// Attributes and ACLs. Other keywords are for other programs, and POSIX
    /// says to ignore them.
    fn attribute(&mut self, keyword: &[u8], value: &[u8]) -> Parsed<()> {
        if let Some(name) = keyword.strip_prefix(b"SCHILY.xattr.") {
            self.insert(name, value.to_vec(), true)
        } else if let Some(name) = keyword.strip_prefix(b"LIBARCHIVE.xattr.") {
            let value =
                BASE64.decode(value).map_err(|_| Rule::from("a value that isn't base64"))?;
            self.insert(&percent_decoded(name)?, value, false)
        } else if keyword == b"SCHILY.acl.access" && !value.is_empty() {
            self.insert(b"system.posix_acl_access", acl::from_text(value)?, false)
        } else if keyword == b"SCHILY.acl.default" && !value.is_empty() {
            self.insert(b"system.posix_acl_default", acl::from_text(value)?, false)
        } else if keyword == b"SCHILY.acl.ace" {
            Err("an NFSv4 ACL, which Linux file systems can't hold".into())
        } else {
            Ok(())
        }
    }

    /// libarchive writes each attribute twice, and GNU tar an ACL perhaps as
    /// attribute and as text: `wins` says which form counts.
    fn insert(&mut self, name: &[u8], value: Vec<u8>, wins: bool) -> Parsed<()> {
        let name = OsStr::from_bytes(name);
        if name.is_empty() || name.len() > 255 || name.as_bytes().contains(&0) {
            return Err("an attribute's name that no file system can hold".into());
        }
        if whiteout::is_overlay_private(name) {
            return Err("an attribute in which overlay file systems keep their books".into());
        }
        if name.as_bytes().starts_with(b"system.posix_acl_") && !acl::is_valid(&value) {
            return Err("an ACL with a damaged value".into());
        }
        if !whiteout::belongs_to_host(name) && (wins || !self.xattrs.contains_key(name)) {
            self.xattrs.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// Bytes of all attributes, names included.
    #[must_use]
    pub fn xattr_bytes(&self) -> u64 {
        self.xattrs.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
    }
}

fn is_of_one_entry(keyword: &[u8]) -> bool {
    matches!(keyword, b"path" | b"linkpath" | b"size") || keyword.starts_with(b"GNU.sparse.")
}

/// An empty value takes back what a global record said.
fn text(value: &[u8]) -> Parsed<Option<Vec<u8>>> {
    if value.contains(&0) {
        return Err("a path with a zero byte".into());
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn number(value: &[u8]) -> Parsed<Option<u64>> {
    if value.is_empty() {
        return Ok(None);
    }
    decimal(value).map(Some).ok_or_else(not_a_number)
}

fn moment(value: &[u8]) -> Parsed<Option<Time>> {
    if value.is_empty() {
        return Ok(None);
    }
    time(value).map(Some).ok_or_else(|| "a time that isn't one".into())
}

fn not_a_number() -> Rule {
    "a value that isn't a number".into()
}

fn percent_decoded(name: &[u8]) -> Parsed<Vec<u8>> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let decoded = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(decoded.ok_or_else(|| Rule::from("a name with a damaged escape"))?);
        rest = rest.get(2..).unwrap_or_default();
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::pax::push;
    use super::*;

    fn read(records: &[(&str, &[u8])], scope: Scope) -> Parsed<Extensions> {
        let mut data = Vec::new();
        for (keyword, value) in records {
            push(&mut data, keyword.as_bytes(), value);
        }
        let mut extensions = Extensions::default();
        extensions.read(&data, scope).map(|()| extensions)
    }

    #[test]
    fn attributes_in_every_form() {
        let found = read(
            &[
                ("LIBARCHIVE.xattr.user.a%3Db", b"aGk"),
                ("LIBARCHIVE.xattr.user.c", b"aGk="),
                ("SCHILY.xattr.user.c", b"wins"),
                ("LIBARCHIVE.xattr.user.c", b"aGk="),
                ("SCHILY.xattr.user.empty", b""),
                ("SCHILY.xattr.security.selinux", b"label"),
                ("SCHILY.acl.access", b"user::rw-"),
                ("comment", b"whatever"),
            ],
            Scope::Local,
        )
        .unwrap();
        let names: Vec<_> =
            found.xattrs.iter().map(|(n, v)| (n.to_str().unwrap(), &v[..])).collect();
        assert_eq!(
            names,
            [
                ("system.posix_acl_access", &[2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255][..]),
                ("user.a=b", b"hi"),
                ("user.c", b"wins"),
                ("user.empty", b""),
            ]
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (keyword, value) in [
            ("path", &b"a\0b"[..]),
            ("size", b"-1"),
            ("uid", b"1x"),
            ("mtime", b"never"),
            ("SCHILY.xattr.", b"x"),
            ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ("SCHILY.xattr.user.overlay.metacopy", b""),
            ("LIBARCHIVE.xattr.user.x", b"!"),
            ("LIBARCHIVE.xattr.user.%zz", b"aGk="),
            ("LIBARCHIVE.xattr.trusted%2Eoverlay.opaque", b"eQ=="),
            ("SCHILY.acl.access", b"nonsense"),
            ("SCHILY.acl.ace", b"x"),
            ("GNU.sparse.numbytes", b"1"),
            ("GNU.sparse.map", b"1,x"),
        ] {
            assert!(read(&[(keyword, value)], Scope::Local).is_err(), "{keyword}");
        }
        for keyword in ["path", "linkpath", "size", "GNU.sparse.name"] {
            assert!(read(&[(keyword, b"1")], Scope::Global).is_err(), "{keyword}");
        }
    }

    #[test]
    fn an_empty_value_takes_back_a_global_one() {
        let mut all = read(&[("uid", b"5"), ("mtime", b"1.5")], Scope::Global).unwrap();
        assert_eq!((all.uid, all.mtime), (Some(5), Some(Time { sec: 1, nsec: 500_000_000 })));
        let mut data = Vec::new();
        push(&mut data, b"uid", b"");
        all.read(&data, Scope::Local).unwrap();
        assert_eq!((all.uid, all.mtime.is_some()), (None, true));
    }

    #[test]
    fn maps_of_old_formats() {
        let pairs = [
            ("GNU.sparse.size", &b"100"[..]),
            ("GNU.sparse.numblocks", b"2"),
            ("GNU.sparse.offset", b"0"),
            ("GNU.sparse.numbytes", b"5"),
            ("GNU.sparse.offset", b"90"),
            ("GNU.sparse.numbytes", b"10"),
        ];
        let list = [("GNU.sparse.size", &b"100"[..]), ("GNU.sparse.map", b"0,5,90,10")];
        let old = read(&pairs, Scope::Local).unwrap().sparse.map().unwrap().unwrap();
        let new = read(&list, Scope::Local).unwrap().sparse.map().unwrap().unwrap();
        assert_eq!((old.extents(), old.size()), (new.extents(), 100));
        assert!(read(&pairs[1..], Scope::Local).unwrap().sparse.map().is_err());
    }
}
