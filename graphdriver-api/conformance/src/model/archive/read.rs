//! Reads an archive into entries.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

use graphdriver_api::{Applied, Error, Limits, Op, Result};
use tar::{EntryType, Header};

use super::entry::{Entry, Marker, bad, marker, names};
use super::extended::Records;
use super::sparse::{self, Map};
use crate::snapshot::Timestamp;
use crate::tree::{Body, Bytes, Mtime, Node};

const BLOCK: usize = 512;

/// What an archive holds.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Archive {
    /// In the archive's order.
    pub(in super::super) entries: Vec<Entry>,
    /// Counted.
    pub(in super::super) applied: Applied,
}

/// Reads an archive to the very end of its stream, unless `stop_at_marker`.
pub(in super::super) fn read(
    source: &mut dyn Read,
    limits: &Limits,
    stop_at_marker: bool,
) -> Result<Archive> {
    let global = Records::default();
    let archive = Archive::default();
    let mut reader = Reader { source, limits, archive, global, pending: None, extended: 0 };
    while let Some(block) = reader.block()? {
        if block == [0; BLOCK] {
            break;
        }
        reader.header(&checked(&block)?)?;
    }
    reader.finish(stop_at_marker)
}

struct Reader<'a> {
    source: &'a mut dyn Read,
    limits: &'a Limits,
    archive: Archive,
    /// Records that hold for all entries to come.
    global: Records,
    /// Those, and the records that hold for the next entry alone.
    pending: Option<Records>,
    /// How many bytes of records there are for the next entry.
    extended: u64,
}

impl Reader<'_> {
    fn header(&mut self, header: &Header) -> Result<()> {
        let size = header.entry_size().map_err(|_| bad(b"", "a header has no size"))?;
        let kind = header.entry_type();
        if kind == EntryType::XGlobalHeader {
            let records = self.extension(size)?;
            self.global.add(&records)?;
            return self.pending.as_mut().map_or(Ok(()), |pending| pending.add(&records));
        }
        let mut pending = self.pending.take().unwrap_or_else(|| self.global.clone());
        match kind {
            EntryType::XHeader => pending.add(&self.extension(size)?)?,
            EntryType::GNULongName => pending.set("path", until_zero(&self.extension(size)?)),
            EntryType::GNULongLink => pending.set("linkpath", until_zero(&self.extension(size)?)),
            _ => {
                self.extended = 0;
                return self.entry(header, &pending);
            }
        }
        self.pending = Some(pending);
        Ok(())
    }

    /// The next block; `None` at the end of the stream.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while let Some(room) = block.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.source.read(room) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(truncated()),
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io(Op::Apply, "read the archive", e)),
            }
        }
        Ok(Some(block))
    }

    fn next_block(&mut self) -> Result<[u8; BLOCK]> {
        self.block()?.ok_or_else(truncated)
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>> {
        self.extended = self.extended.saturating_add(size);
        if self.extended > self.limits.extension_bytes.into() {
            let limit = self.limits.extension_bytes;
            return Err(bad(b"", format!("extension records have more than {limit} bytes")));
        }
        let mut data = Vec::new();
        self.data(size, |_, piece| data.extend_from_slice(piece))?;
        Ok(data)
    }

    /// Reads `size` bytes and the padding behind them.
    fn data(&mut self, size: u64, mut take: impl FnMut(u64, &[u8])) -> Result<()> {
        let mut offset = 0;
        while offset < size {
            let block = self.next_block()?;
            let len = usize::try_from(size - offset).map_or(BLOCK, |n| n.min(BLOCK));
            take(offset, block.get(..len).unwrap_or_default());
            offset += len as u64;
        }
        Ok(())
    }

    fn entry(&mut self, header: &Header, records: &Records) -> Result<()> {
        let path = match records.get("GNU.sparse.name").or(records.get("path")) {
            Some(path) => path.to_vec(),
            None => header.path_bytes().into_owned(),
        };
        self.one(header, records, &path).map_err(|error| error.with_path(OsStr::from_bytes(&path)))
    }

    fn one(&mut self, header: &Header, records: &Records, path: &[u8]) -> Result<()> {
        self.count(&records.xattrs())?;
        let mut at = names(path, self.limits.depth)?;
        let size = stored(header, records)?;
        if let Some(name) = at.last()
            && let Some(marker) = marker(name, path)?
        {
            at.pop();
            self.archive.applied.whiteouts += 1;
            self.data(size, |_, _| {})?;
            match marker {
                Marker::Of(name) => {
                    at.push(name);
                    self.archive.entries.push(Entry::Whiteout(at));
                }
                Marker::Opaque => self.archive.entries.push(Entry::Opaque(at)),
                Marker::Ignored => {}
            }
            return Ok(());
        }
        let entry = match header.entry_type() {
            EntryType::Link => Entry::Link(at, names(&link_target(header, records), u32::MAX)?),
            _ => Entry::Node(at, self.node(header, records, (path, size))?),
        };
        self.archive.entries.push(entry);
        Ok(())
    }

    fn count(&mut self, xattrs: &BTreeMap<OsString, Vec<u8>>) -> Result<()> {
        self.archive.applied.entries += 1;
        if self.archive.applied.entries > self.limits.entries {
            let limit = self.limits.entries;
            return Err(bad(b"", format!("the archive has more than {limit} entries")));
        }
        let bytes: usize = xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes as u64 > self.limits.xattr_bytes.into() {
            let limit = self.limits.xattr_bytes;
            return Err(bad(b"", format!("the entry's attributes have more than {limit} bytes")));
        }
        Ok(())
    }

    fn node(
        &mut self,
        header: &Header,
        records: &Records,
        (path, size): (&[u8], u64),
    ) -> Result<Node> {
        let device = || -> Result<(u32, u32)> {
            let no_number = |_| bad(path, "the device has no number");
            let major = header.device_major().map_err(no_number)?.unwrap_or(0);
            let minor = header.device_minor().map_err(no_number)?.unwrap_or(0);
            // What mknod(2) can hold.
            match (major, minor) {
                (0..4096, 0..0x10_0000) => Ok((major, minor)),
                _ => Err(bad(path, format!("no device can have the number {major}:{minor}"))),
            }
        };
        let body = match header.entry_type() {
            EntryType::Directory => Body::Directory(BTreeMap::new()),
            EntryType::Regular if path.ends_with(b"/") => Body::Directory(BTreeMap::new()),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                return self.file(header, records, size);
            }
            EntryType::Symlink => match link_target(header, records) {
                target if target.is_empty() => return Err(bad(path, "the link has no target")),
                target if target.len() > 4095 => {
                    return Err(bad(path, "the link's target has more than 4095 bytes"));
                }
                target => Body::Symlink(OsStr::from_bytes(&target).to_owned()),
            },
            EntryType::Char => device().map(|(major, minor)| Body::CharDevice(major, minor))?,
            EntryType::Block => device().map(|(major, minor)| Body::BlockDevice(major, minor))?,
            EntryType::Fifo => Body::Fifo,
            other => {
                let flag = char::from(other.as_byte());
                return Err(bad(path, format!("the entry has a type that is unknown: {flag:?}")));
            }
        };
        attributes(header, records, body)
    }

    fn file(&mut self, header: &Header, records: &Records, size: u64) -> Result<Node> {
        let mut stored = size;
        let map = match sparse::version_1(records)? {
            Some(len) => {
                self.room_for(len)?;
                sparse::from_data(len, || {
                    stored = stored.checked_sub(BLOCK as u64).ok_or_else(truncated)?;
                    self.next_block()
                })?
            }
            None if header.entry_type() == EntryType::GNUSparse => {
                sparse::from_header(header, || self.next_block())?
            }
            None => sparse::from_records(records)?
                .unwrap_or_else(|| Map { pieces: vec![(0, size)], len: size }),
        };
        self.room_for(map.len)?;
        self.archive.applied.bytes += map.len;
        let bytes = self.bytes(&map, stored)?;
        attributes(header, records, Body::File(bytes))
    }

    /// Refuses a file before it is read.
    fn room_for(&self, len: u64) -> Result<()> {
        let limit = self.limits.bytes;
        match self.archive.applied.bytes.checked_add(len) {
            Some(bytes) if bytes <= limit => Ok(()),
            _ => Err(bad(b"", format!("the archive's files have more than {limit} bytes"))),
        }
    }

    fn bytes(&mut self, map: &Map, stored: u64) -> Result<Bytes> {
        if map.pieces.iter().map(|(_, len)| len).sum::<u64>() != stored {
            return Err(bad(b"", "the map of a sparse file isn't as long as what is stored"));
        }
        let mut flat = Vec::new();
        let mut bytes = Bytes::default();
        self.data(stored, |_, piece| flat.extend_from_slice(piece))?;
        let mut rest = flat.as_slice();
        for (offset, len) in &map.pieces {
            let len = usize::try_from(*len).unwrap_or(usize::MAX).min(rest.len());
            let (piece, behind) = rest.split_at(len);
            bytes.write(*offset, piece);
            rest = behind;
        }
        bytes.set_len(map.len);
        Ok(bytes)
    }

    fn finish(self, stop: bool) -> Result<Archive> {
        if self.pending.is_some() {
            return Err(truncated());
        }
        if !stop {
            let read = |e| Error::io(Op::Apply, "read the archive to its end", e);
            io::copy(self.source, &mut io::sink()).map_err(read)?;
        }
        Ok(self.archive)
    }
}

fn truncated() -> Error {
    bad(b"", "the archive ends in the middle of an entry")
}

fn until_zero(data: &[u8]) -> &[u8] {
    data.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn checked(block: &[u8; BLOCK]) -> Result<Header> {
    let header = Header::from_byte_slice(block).clone();
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    match header.cksum() {
        Ok(told) if told == sum => Ok(header),
        _ => Err(bad(b"", "a header's checksum is wrong")),
    }
}

/// How many bytes follow the header. Types that are but a header have none,
/// whatever theirs says: some archivers write the size of a link's target.
fn stored(header: &Header, records: &Records) -> Result<u64> {
    match header.entry_type() {
        EntryType::Link
        | EntryType::Symlink
        | EntryType::Char
        | EntryType::Block
        | EntryType::Directory
        | EntryType::Fifo => Ok(0),
        _ => match records.number("size")? {
            Some(size) => Ok(size),
            None => header.entry_size().map_err(|_| bad(b"", "the header has no size")),
        },
    }
}

fn link_target(header: &Header, records: &Records) -> Vec<u8> {
    match records.get("linkpath") {
        Some(target) => target.to_vec(),
        None => header.link_name_bytes().map(Into::into).unwrap_or_default(),
    }
}

/// Everything but type and content.
fn attributes(header: &Header, records: &Records, body: Body) -> Result<Node> {
    let id = |key, field: io::Result<u64>| -> Result<u32> {
        let id = match records.number(key)? {
            Some(id) => id,
            None => field.map_err(|_| bad(b"", format!("the header has no {key}")))?,
        };
        // The last one means "no id" to chown(2).
        u32::try_from(id)
            .ok()
            .filter(|id| *id != u32::MAX)
            .ok_or_else(|| bad(b"", format!("the {key} {id} is above what the kernel can hold")))
    };
    let mtime = match records.time("mtime")? {
        Some(time) => time,
        None => {
            let sec = header.mtime().map_err(|_| bad(b"", "the header has no time"))?;
            Timestamp { sec: sec.cast_signed(), nsec: 0 }
        }
    };
    let mode = header.mode().map_err(|_| bad(b"", "the header has no mode"))?;
    let mut node = Node::new(body, mode & 0o7777, Mtime::at(mtime));
    (node.uid, node.gid) = (id("uid", header.uid())?, id("gid", header.gid())?);
    node.xattrs = records.xattrs();
    Ok(node)
}
