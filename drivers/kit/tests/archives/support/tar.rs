//! Archives byte by byte, so that wrong ones can be made too.

/// An entry, with its extension records before it.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) flag: u8,
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) mtime: (i64, u32),
    pub(crate) device: (u32, u32),
    pub(crate) data: Vec<u8>,
    /// What the header says, if it lies.
    pub(crate) size: Option<u64>,
    pub(crate) records: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes put into the header before the checksum is made.
    pub(crate) patches: Vec<(usize, Vec<u8>)>,
}

impl Item {
    pub(crate) fn new(flag: u8, path: impl AsRef<[u8]>) -> Self {
        Self {
            flag,
            path: path.as_ref().to_vec(),
            link: Vec::new(),
            mode: 0o644,
            owner: (0, 0),
            mtime: (1, 0),
            device: (0, 0),
            data: Vec::new(),
            size: None,
            records: Vec::new(),
            patches: Vec::new(),
        }
    }

    pub(crate) fn file(path: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Self {
        Self { data: data.as_ref().to_vec(), ..Self::new(b'0', path) }
    }

    pub(crate) fn dir(path: impl AsRef<[u8]>) -> Self {
        Self { mode: 0o755, ..Self::new(b'5', path) }
    }

    pub(crate) fn symlink(path: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Self {
        Self { link: to.as_ref().to_vec(), mode: 0o777, ..Self::new(b'2', path) }
    }

    pub(crate) fn link(path: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Self {
        Self { link: to.as_ref().to_vec(), ..Self::new(b'1', path) }
    }

    pub(crate) fn device(flag: u8, path: &str, major: u32, minor: u32) -> Self {
        Self { device: (major, minor), ..Self::new(flag, path) }
    }

    pub(crate) fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn owner(mut self, uid: u32, gid: u32) -> Self {
        self.owner = (uid, gid);
        self
    }

    pub(crate) fn mtime(mut self, sec: i64, nsec: u32) -> Self {
        self.mtime = (sec, nsec);
        self
    }

    pub(crate) fn size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    pub(crate) fn pax(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.records.push((key.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn xattr(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax(format!("SCHILY.xattr.{name}"), value)
    }

    pub(crate) fn patch(mut self, at: usize, bytes: impl AsRef<[u8]>) -> Self {
        self.patches.push((at, bytes.as_ref().to_vec()));
        self
    }

    /// The entry with its records.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut records = self.records.clone();
        let has = |key: &[u8]| self.records.iter().any(|(k, _)| k == key);
        let mut need = |wanted: bool, key: &str, value: Vec<u8>| {
            if wanted && !has(key.as_bytes()) {
                records.push((key.into(), value));
            }
        };
        need(self.path.len() > 100, "path", self.path.clone());
        need(self.link.len() > 100, "linkpath", self.link.clone());
        need(self.owner.0 > 0o7_777_777, "uid", self.owner.0.to_string().into());
        need(self.owner.1 > 0o7_777_777, "gid", self.owner.1.to_string().into());
        let (sec, nsec) = self.mtime;
        assert!(sec >= 0, "say it by pax()");
        need(nsec > 0, "mtime", format!("{sec}.{nsec:09}").into());
        let mut bytes = Vec::new();
        if !records.is_empty() {
            let data: Vec<u8> = records.iter().flat_map(|(k, v)| record(k, v)).collect();
            let header = Self { data, ..Self::new(b'x', "PaxHeader") };
            bytes.extend(header.plain());
        }
        bytes.extend(self.plain());
        bytes
    }

    fn plain(&self) -> Vec<u8> {
        let mut block = vec![0; 512];
        let mut put = |at: usize, len: usize, value: &[u8]| {
            let value = &value[..value.len().min(len)];
            block[at..at + value.len()].copy_from_slice(value);
        };
        let octal = |n: u64, width: usize| format!("{n:0width$o}\0");
        let small = |id: u32| u64::from(if id > 0o7_777_777 { 0 } else { id });
        put(0, 100, &self.path);
        put(100, 8, octal(self.mode.into(), 7).as_bytes());
        put(108, 8, octal(small(self.owner.0), 7).as_bytes());
        put(116, 8, octal(small(self.owner.1), 7).as_bytes());
        put(124, 12, octal(self.size.unwrap_or(self.data.len() as u64), 11).as_bytes());
        put(136, 12, octal(self.mtime.0 as u64, 11).as_bytes());
        put(156, 1, &[self.flag]);
        put(157, 100, &self.link);
        put(257, 8, b"ustar\x0000");
        put(329, 8, octal(self.device.0.into(), 7).as_bytes());
        put(337, 8, octal(self.device.1.into(), 7).as_bytes());
        for (at, bytes) in &self.patches {
            put(*at, bytes.len(), bytes);
        }
        seal(&mut block);
        block.extend(&self.data);
        block.resize(block.len().next_multiple_of(512), 0);
        block
    }
}

/// Puts the right checksum into a header.
pub(crate) fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u64 = block[..512].iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    sapwood_kit::archive::pax::push(&mut record, key, value);
    record
}

/// The items and the end.
pub(crate) fn archive(items: &[Item]) -> Vec<u8> {
    let mut bytes: Vec<u8> = items.iter().flat_map(Item::bytes).collect();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}
