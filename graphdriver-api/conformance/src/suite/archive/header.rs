//! One entry of an archive: what it says, and how that is written.

use super::{BLOCK, pad};

/// How an entry says what doesn't fit a plain header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Format {
    /// By PAX records.
    Pax,
    /// By entries for long names, and numbers in base 256.
    Gnu,
}

/// An entry to be written. What isn't said: mode 0644 (0755 for directories,
/// 0777 for symbolic links), owner 0:0, time 0.
#[derive(Debug, Clone)]
pub(in super::super) struct Item {
    pub(super) path: Vec<u8>,
    pub(super) kind: u8,
    mode: u32,
    owner: (u64, u64),
    mtime: (i64, u32),
    link: Vec<u8>,
    device: (u32, u32),
    pub(super) data: Vec<u8>,
    /// What the header says the size is, where that isn't the data's.
    size: Option<u64>,
    pub(super) records: Vec<(Vec<u8>, Vec<u8>)>,
    format: Format,
    /// Fields that are overwritten at last: offset and bytes.
    pub(super) patches: Vec<(usize, Vec<u8>)>,
    checksum_off_by: u32,
}

impl Item {
    /// An entry of a kind (the header's type flag).
    pub(in super::super) fn new(kind: u8, path: impl AsRef<[u8]>) -> Self {
        Self {
            path: path.as_ref().to_vec(),
            kind,
            mode: 0o644,
            owner: (0, 0),
            mtime: (0, 0),
            link: Vec::new(),
            device: (0, 0),
            data: Vec::new(),
            size: None,
            records: Vec::new(),
            format: Format::Pax,
            patches: Vec::new(),
            checksum_off_by: 0,
        }
    }

    /// A regular file.
    pub(in super::super) fn file(path: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Self {
        Self::new(b'0', path).data(data)
    }

    /// A directory; its name is written with a slash at the end.
    pub(in super::super) fn dir(path: impl AsRef<[u8]>) -> Self {
        Self::new(b'5', [path.as_ref(), b"/"].concat()).mode(0o755)
    }

    /// A symbolic link.
    pub(in super::super) fn symlink(path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self::new(b'2', path).mode(0o777).linked(target)
    }

    /// Another name of a file.
    pub(in super::super) fn hard_link(path: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Self {
        Self::new(b'1', path).linked(to)
    }

    /// A FIFO.
    pub(in super::super) fn fifo(path: impl AsRef<[u8]>) -> Self {
        Self::new(b'6', path)
    }

    /// A character device.
    pub(in super::super) fn char_device(path: impl AsRef<[u8]>, major: u32, minor: u32) -> Self {
        Self::new(b'3', path).numbered(major, minor)
    }

    /// A block device.
    pub(in super::super) fn block_device(path: impl AsRef<[u8]>, major: u32, minor: u32) -> Self {
        Self::new(b'4', path).numbered(major, minor)
    }

    /// An empty file: a whiteout or an opaque marker, by its name.
    pub(in super::super) fn empty(path: impl AsRef<[u8]>) -> Self {
        Self::file(path, b"")
    }

    pub(in super::super) fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub(in super::super) fn owner(mut self, uid: u64, gid: u64) -> Self {
        self.owner = (uid, gid);
        self
    }

    pub(in super::super) fn mtime(mut self, sec: i64, nsec: u32) -> Self {
        self.mtime = (sec, nsec);
        self
    }

    pub(in super::super) fn data(mut self, data: impl AsRef<[u8]>) -> Self {
        self.data = data.as_ref().to_vec();
        self
    }

    pub(in super::super) fn linked(mut self, to: impl AsRef<[u8]>) -> Self {
        self.link = to.as_ref().to_vec();
        self
    }

    fn numbered(mut self, major: u32, minor: u32) -> Self {
        self.device = (major, minor);
        self
    }

    /// Says another size than the data has.
    pub(in super::super) fn size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// Adds a PAX record.
    pub(in super::super) fn pax(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.records.push((key.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Adds an extended attribute, as star and GNU tar write it.
    pub(in super::super) fn xattr(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax(format!("SCHILY.xattr.{name}"), value)
    }

    pub(in super::super) fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Overwrites bytes of the header, before the checksum is taken.
    pub(in super::super) fn patch(mut self, offset: usize, bytes: impl AsRef<[u8]>) -> Self {
        self.patches.push((offset, bytes.as_ref().to_vec()));
        self
    }

    /// Writes a checksum that is wrong.
    pub(in super::super) fn bad_checksum(mut self) -> Self {
        self.checksum_off_by = 1;
        self
    }

    /// Writes the entry with all that comes before it and its padding.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self.format {
            Format::Pax => self.write_records(out),
            Format::Gnu => self.write_long_names(out),
        }
        out.extend(self.header());
        out.extend(&self.data);
        pad(out);
    }

    fn write_records(&self, out: &mut Vec<u8>) {
        let mut records = self.needed_records();
        records.extend(self.records.iter().flat_map(|(key, value)| record(key, value)));
        if !records.is_empty() {
            let item = Self::new(b'x', "PaxHeaders/x").data(&records);
            out.extend(item.header());
            out.extend(&item.data);
            pad(out);
        }
    }

    fn needed_records(&self) -> Vec<u8> {
        let mut records = Vec::new();
        let mut need = |key: &str, value: &[u8]| records.extend(record(key.as_bytes(), value));
        if self.path.len() > 100 {
            need("path", &self.path);
        }
        if self.link.len() > 100 {
            need("linkpath", &self.link);
        }
        for (key, id) in [("uid", self.owner.0), ("gid", self.owner.1)] {
            if id > 0o777_7777 {
                need(key, id.to_string().as_bytes());
            }
        }
        if self.mtime.1 != 0 || self.mtime.0 < 0 || self.mtime.0 > 0o777_7777_7777 {
            need("mtime", decimal(self.mtime).as_bytes());
        }
        records
    }

    fn write_long_names(&self, out: &mut Vec<u8>) {
        for (kind, name) in [(b'K', &self.link), (b'L', &self.path)] {
            if name.len() > 100 {
                let item = Self::new(kind, "././@LongLink").data([name.as_slice(), b"\0"].concat());
                out.extend(item.format(Format::Gnu).header());
                out.extend(name);
                out.push(0);
                pad(out);
            }
        }
    }

    fn header(&self) -> Vec<u8> {
        let mut header = vec![0; BLOCK];
        let size = self.size.unwrap_or(self.data.len() as u64);
        put(&mut header, 0, &self.path[..self.path.len().min(100)]);
        self.put_number(&mut header, 100, 8, u64::from(self.mode));
        self.put_number(&mut header, 108, 8, self.owner.0);
        self.put_number(&mut header, 116, 8, self.owner.1);
        self.put_number(&mut header, 124, 12, size);
        self.put_number(&mut header, 136, 12, u64::try_from(self.mtime.0).unwrap_or(0));
        header[156] = self.kind;
        put(&mut header, 157, &self.link[..self.link.len().min(100)]);
        let magic = if self.format == Format::Gnu { b"ustar  \0" } else { b"ustar\x0000" };
        put(&mut header, 257, magic);
        self.put_number(&mut header, 329, 8, u64::from(self.device.0));
        self.put_number(&mut header, 337, 8, u64::from(self.device.1));
        for (offset, bytes) in &self.patches {
            put(&mut header, *offset, bytes);
        }
        put(&mut header, 148, b"        ");
        let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
        put(&mut header, 148, format!("{:06o}\0 ", sum + self.checksum_off_by).as_bytes());
        header
    }

    /// Octal digits and a NUL; what is too large is left to a record, or
    /// written in base 256 by GNU's rules.
    fn put_number(&self, header: &mut [u8], offset: usize, width: usize, value: u64) {
        let digits = width - 1;
        let fits = value < 1 << (3 * digits);
        if fits {
            put(header, offset, format!("{value:0digits$o}").as_bytes());
        } else if self.format == Format::Gnu {
            put(header, offset + width - 8, &value.to_be_bytes());
            header[offset] |= 0x80;
        } else {
            put(header, offset, format!("{:0digits$o}", 0).as_bytes());
        }
    }
}

fn put(header: &mut [u8], offset: usize, bytes: &[u8]) {
    header[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// A PAX record: its own length in decimal, a blank, `key=value`, a newline.
pub(super) fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} ").as_bytes(), key, b"=", value, b"\n"].concat()
}

/// Seconds with as many decimals as there are, negative before the epoch.
fn decimal((sec, nsec): (i64, u32)) -> String {
    match (sec, nsec) {
        (sec, 0) => sec.to_string(),
        // -1.5 s is stored as second -2 and 500,000,000 ns after it.
        (sec, nsec) if sec < 0 => format!("-{}.{:09}", -(sec + 1), 1_000_000_000 - nsec),
        (sec, nsec) => format!("{sec}.{nsec:09}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_their_own_length() {
        assert_eq!(record(b"a", b"b"), b"6 a=b\n");
        // The digits of the length make it longer by one digit.
        let value = vec![b'v'; 93];
        let bytes = record(b"k", &value);
        assert_eq!(bytes.len(), 99);
        assert!(bytes.starts_with(b"99 k="));
        assert_eq!(record(b"k", &[b'v'; 94]).len(), 101);
    }

    #[test]
    fn times_before_the_epoch_count_downwards() {
        assert_eq!(decimal((-2, 500_000_000)), "-1.500000000");
        assert_eq!(decimal((-1, 0)), "-1");
        assert_eq!(decimal((1, 5)), "1.000000005");
    }
}
