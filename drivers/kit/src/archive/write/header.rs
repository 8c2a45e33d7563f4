//! The header block of ustar (pax(1), "ustar Interchange Format").

use crate::at::{Device, Meta, Time};

use super::super::pax;
use super::records::Records;

/// The type flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Type {
    File = b'0',
    HardLink = b'1',
    Symlink = b'2',
    CharDevice = b'3',
    BlockDevice = b'4',
    Directory = b'5',
    Fifo = b'6',
    /// The records of the entry that follows.
    Records = b'x',
}

/// An entry before it is bytes.
#[derive(Debug, Clone)]
pub(super) struct Header {
    kind: Type,
    path: Vec<u8>,
    link: Vec<u8>,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: Time,
    device: Device,
}

/// Where each field stands, and how long it is.
const NAME: (usize, usize) = (0, 100);
const MODE: (usize, usize) = (100, 8);
const UID: (usize, usize) = (108, 8);
const GID: (usize, usize) = (116, 8);
const SIZE: (usize, usize) = (124, 12);
const MTIME: (usize, usize) = (136, 12);
const CHECKSUM: (usize, usize) = (148, 8);
const TYPE: usize = 156;
const LINK: (usize, usize) = (157, 100);
const MAGIC: (usize, usize) = (257, 8);
const MAJOR: (usize, usize) = (329, 8);
const MINOR: (usize, usize) = (337, 8);

impl Header {
    pub(super) fn new(kind: Type, path: &[u8]) -> Self {
        Self {
            kind,
            path: path.to_vec(),
            link: Vec::new(),
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: Time::default(),
            device: Device::default(),
        }
    }

    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    /// Replaces the path.
    pub(super) fn name(&mut self, path: &[u8]) {
        path.clone_into(&mut self.path);
    }

    pub(super) fn meta(&mut self, meta: &Meta) {
        (self.mode, self.uid, self.gid) = (meta.mode, meta.uid, meta.gid);
        self.mtime = meta.mtime;
    }

    pub(super) fn mode(&mut self, mode: u32) {
        self.mode = mode;
    }

    pub(super) fn link(&mut self, target: &[u8]) {
        target.clone_into(&mut self.link);
    }

    pub(super) fn size(&mut self, size: u64) {
        self.size = size;
    }

    pub(super) fn device(&mut self, device: Device) {
        self.device = device;
    }

    /// Makes a record of what doesn't fit into its field.
    pub(super) fn overflow(&mut self, records: &mut Records) {
        if self.path.len() > NAME.1 && !records.names_the_file() {
            records.add(b"path", &self.path);
        }
        if self.link.len() > LINK.1 {
            records.add(b"linkpath", &self.link);
        }
        for (key, id) in [(&b"uid"[..], self.uid), (b"gid", self.gid)] {
            if !fits(id.into(), UID) {
                records.add(key, id.to_string().as_bytes());
            }
        }
        if !fits(self.size, SIZE) {
            records.add(b"size", self.size.to_string().as_bytes());
        }
        let whole = self.mtime.nsec == 0;
        if !whole || !u64::try_from(self.mtime.sec).is_ok_and(|s| fits(s, MTIME)) {
            records.add(b"mtime", pax::format_time(self.mtime).as_bytes());
        }
    }

    /// The block of 512 bytes. A number that doesn't fit is 0, and in a record.
    pub(super) fn block(&self) -> [u8; 512] {
        let mut block = [0; 512];
        text(&mut block, NAME, &self.path);
        text(&mut block, LINK, &self.link);
        number(&mut block, MODE, self.mode.into());
        number(&mut block, UID, self.uid.into());
        number(&mut block, GID, self.gid.into());
        number(&mut block, SIZE, self.size);
        number(&mut block, MTIME, u64::try_from(self.mtime.sec).unwrap_or(0));
        number(&mut block, MAJOR, self.device.major.into());
        number(&mut block, MINOR, self.device.minor.into());
        block[TYPE] = self.kind as u8;
        text(&mut block, MAGIC, b"ustar\x0000");
        checksum(&mut block);
        block
    }
}

/// Whether a number fits into a field: octal digits and a zero byte.
fn fits(value: u64, (_, len): (usize, usize)) -> bool {
    let bits = 3 * (len - 1);
    value < 1 << bits
}

fn number(block: &mut [u8; 512], field: (usize, usize), value: u64) {
    let value = if fits(value, field) { value } else { 0 };
    let width = field.1 - 1;
    text(block, field, format!("{value:0width$o}").as_bytes());
}

/// Cut off at the field's end; the whole is in a record then.
fn text(block: &mut [u8; 512], (start, len): (usize, usize), value: &[u8]) {
    let value = &value[..value.len().min(len)];
    block[start..start + value.len()].copy_from_slice(value);
}

/// The sum of all bytes, with blanks in its own place.
fn checksum(block: &mut [u8; 512]) {
    let (start, len) = CHECKSUM;
    block[start..start + len].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    let digits = format!("{sum:06o}\0");
    block[start..start + digits.len()].copy_from_slice(digits.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_and_what_does_not() {
        assert!(fits(0o7_777_777, UID) && !fits(0o10_000_000, UID));
        assert!(fits((1 << 33) - 1, SIZE) && !fits(1 << 33, SIZE));
    }
}
