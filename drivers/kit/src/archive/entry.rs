//! One entry of an archive: its header and all extension records made one.
//!
//! Pure.

use crate::at::xattr::Xattrs;
use crate::at::{Device, Time};

use super::extensions::Extensions;
use super::header::{Dialect, Header};
use super::rule::{Parsed, Rule};
use super::sparse;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link to [`Entry::link`].
    Symlink,
    /// Another name of the file whose path in the tree is [`Entry::link`].
    HardLink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A FIFO.
    Fifo,
}

/// What a file has beside its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Last change of content.
    pub mtime: Time,
    /// Last read, if the archive says so.
    pub atime: Option<Time>,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

/// An entry as the archive means it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path, as it stands in the archive.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// The target of a link, as it stands in the archive; else empty.
    pub link: Vec<u8>,
    /// Everything but the content.
    pub attributes: Attributes,
    /// The number of a device node.
    pub device: Device,
    /// Bytes of the file, holes included.
    pub size: u64,
    /// What of it is in the archive, if not all.
    pub map: Option<sparse::Map>,
}

/// Where an entry says what of its file is in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapForm {
    /// All of it is.
    Dense,
    /// In the header and the blocks after it.
    Header,
    /// In its records.
    Records(sparse::Map),
    /// Before the content, of a file of this size.
    Content {
        /// Bytes of the file, holes included.
        size: u64,
    },
}

/// Names that precede an entry because they don't fit its header.
#[derive(Debug, Clone, Default)]
pub struct LongNames {
    /// GNU `L`.
    pub path: Option<Vec<u8>>,
    /// GNU `K`.
    pub link: Option<Vec<u8>>,
}

impl Entry {
    /// Puts an entry together. PAX records count more than GNU's long names,
    /// and those more than the header.
    ///
    /// The size is that of what is in the archive; whoever reads the map knows
    /// more.
    ///
    /// # Errors
    /// The broken rule.
    pub fn new(
        header: &Header,
        names: LongNames,
        mut extensions: Extensions,
    ) -> Parsed<(Self, MapForm)> {
        let path = extensions.sparse.name.take().or(extensions.path.take()).or(names.path);
        let path = path.unwrap_or_else(|| header.name.clone());
        let kind = kind(header, &path)?;
        let is_link = matches!(kind, EntryKind::Symlink | EntryKind::HardLink);
        let link = extensions.linkpath.take().or(names.link);
        let (size, map) = match kind {
            EntryKind::File => (size(header, &extensions)?, map_form(header, &extensions)?),
            // Whatever the size says, nothing follows the header of anything
            // else: so do all programs that write images read it.
            _ => (0, MapForm::Dense),
        };
        let entry = Self {
            path,
            kind,
            link: if is_link { link.unwrap_or_else(|| header.link.clone()) } else { Vec::new() },
            device: device(header, kind)?,
            size,
            map: None,
            attributes: attributes(header, extensions)?,
        };
        Ok((entry, map))
    }
}

fn map_form(header: &Header, extensions: &Extensions) -> Parsed<MapForm> {
    let sparse = &extensions.sparse;
    if header.flag == b'S' {
        return Ok(MapForm::Header);
    }
    if sparse.is_map_in_content()? {
        let size = sparse.size.ok_or("a sparse file without its size")?;
        return Ok(MapForm::Content { size });
    }
    Ok(sparse.map()?.map_or(MapForm::Dense, MapForm::Records))
}

fn kind(header: &Header, path: &[u8]) -> Parsed<EntryKind> {
    let slash = path.ends_with(b"/");
    match header.flag {
        // How directories were marked before there was a flag for them.
        0 if slash => Ok(EntryKind::Directory),
        b'0' | b'7' | b'S' if slash => {
            Err("a file whose name ends in a slash: some programs take it for a directory".into())
        }
        0 | b'0' | b'7' => Ok(EntryKind::File),
        b'S' if header.dialect == Dialect::Gnu => Ok(EntryKind::File),
        b'1' => Ok(EntryKind::HardLink),
        b'2' => Ok(EntryKind::Symlink),
        b'3' => Ok(EntryKind::CharDevice),
        b'4' => Ok(EntryKind::BlockDevice),
        b'5' => Ok(EntryKind::Directory),
        b'6' => Ok(EntryKind::Fifo),
        flag => Err(format!("an entry of unknown type {:?}", char::from(flag)).into()),
    }
}

fn size(header: &Header, extensions: &Extensions) -> Parsed<u64> {
    match extensions.size {
        Some(size) => Ok(size),
        None => u64::try_from(header.size).map_err(|_| "a negative size".into()),
    }
}

fn device(header: &Header, kind: EntryKind) -> Parsed<Device> {
    if !matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice) {
        return Ok(Device::ZERO);
    }
    let part = |number| u32::try_from(number).ok();
    let device = part(header.major).zip(part(header.minor));
    device
        .map(|(major, minor)| Device { major, minor })
        .filter(|device| device.raw().is_some())
        .ok_or_else(|| "a device number that Linux can't hold".into())
}

fn attributes(header: &Header, extensions: Extensions) -> Parsed<Attributes> {
    Ok(Attributes {
        // Some programs put the type there too.
        mode: (header.mode & 0o7777) as u32,
        uid: id(extensions.uid.map_or(i128::from(header.uid), i128::from))?,
        gid: id(extensions.gid.map_or(i128::from(header.gid), i128::from))?,
        mtime: extensions.mtime.unwrap_or(Time { sec: header.mtime, nsec: 0 }),
        atime: extensions.atime,
        xattrs: extensions.xattrs,
    })
}

/// The last id means "leave as it is" to chown(2).
fn id(number: i128) -> Parsed<u32> {
    let id = u32::try_from(number).ok().filter(|id| *id != u32::MAX);
    id.ok_or_else(|| Rule::new(format!("owner {number}, which is no user or group id")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(flag: u8) -> Header {
        Header {
            flag,
            dialect: Dialect::Gnu,
            name: b"name".to_vec(),
            link: b"link".to_vec(),
            mode: 0o100_644,
            uid: 1,
            gid: 2,
            size: 3,
            mtime: -4,
            major: 5,
            minor: 6,
        }
    }

    fn entry(header: &Header) -> Parsed<Entry> {
        Entry::new(header, LongNames::default(), Extensions::default()).map(|(entry, _)| entry)
    }

    #[test]
    fn fields_count_only_for_the_kinds_that_have_them() {
        let file = entry(&header(b'0')).unwrap();
        assert_eq!((file.size, &file.link[..]), (3, &b""[..]));
        assert_eq!((file.device, file.attributes.mode), (Device::ZERO, 0o644));
        assert_eq!(file.attributes.mtime, Time { sec: -4, nsec: 0 });
        let link = entry(&header(b'1')).unwrap();
        assert_eq!((link.size, &link.link[..]), (0, &b"link"[..]));
        assert_eq!(entry(&header(b'3')).unwrap().device, Device { major: 5, minor: 6 });
    }

    #[test]
    fn the_more_specific_name_counts() {
        let names = LongNames { path: Some(b"long".to_vec()), link: None };
        let mut extensions = Extensions::default();
        let name = |extensions: &Extensions| {
            Entry::new(&header(b'0'), names.clone(), extensions.clone()).unwrap().0.path
        };
        assert_eq!(name(&extensions), b"long");
        extensions.path = Some(b"pax".to_vec());
        assert_eq!(name(&extensions), b"pax");
        extensions.sparse.name = Some(b"sparse".to_vec());
        assert_eq!(name(&extensions), b"sparse");
    }

    #[test]
    fn what_cannot_exist_is_refused() {
        for header in [
            header(b'M'),
            Header { uid: -1, ..header(b'0') },
            Header { gid: i64::from(u32::MAX), ..header(b'0') },
            Header { size: -1, ..header(b'0') },
            Header { major: 4096, ..header(b'3') },
            Header { minor: -1, ..header(b'4') },
            Header { name: b"name/".to_vec(), ..header(b'0') },
            Header { dialect: Dialect::V7, ..header(b'S') },
        ] {
            assert!(entry(&header).is_err(), "{header:?}");
        }
        let old = Header { name: b"dir/".to_vec(), ..header(0) };
        assert_eq!(entry(&old).unwrap().kind, EntryKind::Directory);
    }
}
