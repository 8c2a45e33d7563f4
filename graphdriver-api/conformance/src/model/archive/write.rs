//! Writes the archive that turns one tree into another.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use graphdriver_api::{Change, ChangeKind, DiffSummary, Error, ErrorKind, Op, Result};
use tar::{EntryType, Header};

use crate::model::fault::Fault;
use crate::snapshot::Timestamp;
use crate::tree::{Body, Bytes, Ino, Node, Tree, changes};

const BLOCK: u64 = 512;
const ZEROS: [u8; 512] = [0; 512];

/// Writes what turns `parent` into `tree`; both have exact times.
pub(in super::super) fn write(
    parent: &Tree,
    tree: &Tree,
    out: &mut dyn Write,
    fault: Option<Fault>,
) -> Result<DiffSummary> {
    let found = changes(&parent.exact_snapshot(), &tree.exact_snapshot());
    let relinked = found.relinked.iter().cloned();
    let mut list: Vec<Change> = found.differing.clone();
    list.extend(relinked.map(|path| Change { path, kind: ChangeKind::Modified }));
    list.sort();
    let told = list.iter().map(|change| change.path.as_path()).collect();
    let mut writer = Writer { out, fault, summary: DiffSummary::default() };
    let mut names = Names::of(tree, &told, fault);
    for change in &list {
        writer.change(parent, tree, change, &mut names)?;
    }
    writer.bytes(&ZEROS)?;
    writer.bytes(&ZEROS)?;
    Ok(writer.summary)
}

/// Where the file of a name was before.
struct Names {
    /// The first name of a file that is in the archive, or wasn't changed.
    known: BTreeMap<Ino, PathBuf>,
}

impl Names {
    /// A file of which a name isn't told is what it was in the parent: that
    /// name can be linked to.
    fn of(tree: &Tree, told: &BTreeSet<&Path>, fault: Option<Fault>) -> Self {
        let mut known = BTreeMap::new();
        if fault != Some(Fault::DiffSplitsHardLinks) {
            for (path, ino) in tree.paths() {
                if !told.contains(path.as_path()) {
                    known.entry(ino).or_insert(path);
                }
            }
        }
        Self { known }
    }
}

struct Writer<'a> {
    out: &'a mut dyn Write,
    fault: Option<Fault>,
    summary: DiffSummary,
}

impl Writer<'_> {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn change(
        &mut self,
        parent: &Tree,
        tree: &Tree,
        change: &Change,
        names: &mut Names,
    ) -> Result<()> {
        let path = change.path.as_path();
        let ino = tree.lookup(path).ok();
        match ino.and_then(|ino| Some((ino, tree.node(ino)?))) {
            None => self.whiteout(path),
            // Archives have no sockets; but what was there before must go.
            Some((_, node)) if matches!(node.body, Body::Socket) => match parent.get(path) {
                Ok(old) if !matches!(old.body, Body::Socket) => self.whiteout(path),
                _ => Ok(()),
            },
            Some((ino, node)) => match names.known.get(&ino) {
                Some(first) => self.hard_link(path, node, &first.clone()),
                None => {
                    if node.nlink > 1 && !self.has(Fault::DiffSplitsHardLinks) {
                        names.known.insert(ino, path.to_owned());
                    }
                    self.node(path, node)
                }
            },
        }
    }

    fn whiteout(&mut self, path: &Path) -> Result<()> {
        if self.has(Fault::DiffDropsWhiteouts) {
            return Ok(());
        }
        let Some(name) = path.file_name() else { return Ok(()) };
        let name = [b".wh.", name.as_bytes()].concat();
        let at = path.with_file_name(OsStr::from_bytes(&name));
        let mut fields = Fields::new(at.as_os_str().as_bytes().to_vec(), EntryType::Regular);
        fields.mode = 0;
        self.entry(fields, None)
    }

    fn hard_link(&mut self, path: &Path, node: &Node, first: &Path) -> Result<()> {
        let mut fields = self.fields(path, node, EntryType::Link)?;
        fields.link = first.as_os_str().as_bytes().to_vec();
        fields.records.retain(|(key, _)| !key.starts_with(b"SCHILY."));
        self.entry(fields, None)
    }

    fn node(&mut self, path: &Path, node: &Node) -> Result<()> {
        let kind = match &node.body {
            Body::File(_) => EntryType::Regular,
            Body::Directory(_) => EntryType::Directory,
            Body::Symlink(_) => EntryType::Symlink,
            Body::CharDevice(..) => EntryType::Char,
            Body::BlockDevice(..) => EntryType::Block,
            Body::Fifo | Body::Socket => EntryType::Fifo,
        };
        let mut fields = self.fields(path, node, kind)?;
        match &node.body {
            Body::Directory(_) => fields.path.push(b'/'),
            Body::Symlink(target) => fields.link = target.as_bytes().to_vec(),
            Body::CharDevice(major, minor) | Body::BlockDevice(major, minor) => {
                fields.device = Some((*major, *minor));
            }
            _ => {}
        }
        self.entry(fields, node.bytes())
    }

    fn fields(&self, path: &Path, node: &Node, kind: EntryType) -> Result<Fields> {
        let name = path.file_name().unwrap_or_default();
        if name.as_bytes().starts_with(b".wh.") {
            let why = "an archive can't hold a name that begins as whiteouts do";
            return Err(Error::new(ErrorKind::Unsupported, Op::Diff, why).with_path(path));
        }
        let mut fields = Fields::new(path.as_os_str().as_bytes().to_vec(), kind);
        if self.has(Fault::DiffMendsNames) {
            fields.path = path.to_string_lossy().into_owned().into_bytes();
        }
        let bits = if self.has(Fault::DiffDropsSetuid) { 0o777 } else { 0o7777 };
        fields.mode = node.mode & bits;
        (fields.uid, fields.gid) = (node.uid, node.gid);
        fields.mtime = node.mtime.exact.unwrap_or_default();
        if self.has(Fault::DiffCutsTimes) {
            fields.mtime.nsec = 0;
        }
        if !self.has(Fault::DiffDropsXattrs) {
            for (name, value) in &node.xattrs {
                fields.record(&[b"SCHILY.xattr.", name.as_bytes()].concat(), value);
            }
        }
        if self.has(Fault::DiffIsDated) {
            let now = std::time::SystemTime::now();
            let now = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            fields.record(b"comment", format!("{now:?}").as_bytes());
        }
        Ok(fields)
    }

    fn entry(&mut self, mut fields: Fields, content: Option<&Bytes>) -> Result<()> {
        let size = content.map_or(0, Bytes::len);
        let header = fields.header(size);
        if !fields.records.is_empty() {
            let mut data = Vec::new();
            for (key, value) in &fields.records {
                append_record(&mut data, key, value);
            }
            let mut extended = Fields::new(b"PaxHeaders/entry".to_vec(), EntryType::XHeader);
            let extended = extended.header(data.len() as u64);
            self.bytes(extended.as_bytes())?;
            self.bytes(&data)?;
            self.pad(data.len() as u64)?;
        }
        self.bytes(header.as_bytes())?;
        if let Some(content) = content {
            self.content(content)?;
            self.pad(size)?;
        }
        self.summary.entries += 1;
        Ok(())
    }

    fn content(&mut self, content: &Bytes) -> Result<()> {
        let mut at = 0;
        for (offset, data) in content.runs() {
            self.zeros(offset - at)?;
            self.bytes(data)?;
            at = offset + data.len() as u64;
        }
        self.zeros(content.len() - at)
    }

    fn pad(&mut self, size: u64) -> Result<()> {
        self.zeros(size.next_multiple_of(BLOCK) - size)
    }

    fn zeros(&mut self, mut count: u64) -> Result<()> {
        while count > 0 {
            let now = count.min(BLOCK);
            let len = usize::try_from(now).unwrap_or_default();
            self.bytes(ZEROS.get(..len).unwrap_or_default())?;
            count -= now;
        }
        Ok(())
    }

    fn bytes(&mut self, data: &[u8]) -> Result<()> {
        self.summary.bytes += data.len() as u64;
        let done: io::Result<()> = self.out.write_all(data);
        if self.has(Fault::DiffSwallowsErrors) {
            return Ok(());
        }
        done.map_err(|e| Error::io(Op::Diff, "write the archive", e))
    }
}

/// What a header says, and what doesn't fit it.
struct Fields {
    path: Vec<u8>,
    kind: EntryType,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: Timestamp,
    link: Vec<u8>,
    device: Option<(u32, u32)>,
    records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Fields {
    fn new(path: Vec<u8>, kind: EntryType) -> Self {
        Self {
            path,
            kind,
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: Timestamp::default(),
            link: Vec::new(),
            device: None,
            records: Vec::new(),
        }
    }

    fn record(&mut self, key: &[u8], value: &[u8]) {
        self.records.push((key.to_vec(), value.to_vec()));
    }

    /// The header; what doesn't fit becomes a record.
    fn header(&mut self, size: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(self.kind);
        header.set_mode(self.mode);
        header.set_size(self.octal("size", size, 11));
        header.set_uid(self.octal("uid", self.uid.into(), 7));
        header.set_gid(self.octal("gid", self.gid.into(), 7));
        header.set_mtime(self.time());
        let (path, link) = (self.name("path", |f| &f.path), self.name("linkpath", |f| &f.link));
        let raw = header.as_old_mut();
        copy(&mut raw.name, &path);
        copy(&mut raw.linkname, &link);
        if let (Some((major, minor)), Some(ustar)) = (self.device, header.as_ustar_mut()) {
            ustar.set_device_major(major);
            ustar.set_device_minor(minor);
        }
        header.set_cksum();
        header
    }

    fn octal(&mut self, key: &str, value: u64, digits: u32) -> u64 {
        if value < 1 << (3 * digits) {
            return value;
        }
        self.record(key.as_bytes(), value.to_string().as_bytes());
        0
    }

    fn time(&mut self) -> u64 {
        let Timestamp { sec, nsec } = self.mtime;
        if let (0, Ok(plain @ 0..0o777_7777_7777)) = (nsec, u64::try_from(sec)) {
            return plain;
        }
        let text = match sec {
            // -2 and three quarters is written as -1.25.
            ..0 if nsec > 0 => {
                let (sec, nsec) = (-(sec + 1), 1_000_000_000 - nsec);
                format!("-{sec}.{nsec:09}")
            }
            _ => format!("{sec}.{nsec:09}"),
        };
        self.record(b"mtime", text.as_bytes());
        u64::try_from(sec).ok().filter(|sec| *sec < 0o777_7777_7777).unwrap_or(0)
    }

    /// A name that fits the header, else a record and a name cut short.
    fn name(&mut self, key: &str, of: fn(&Self) -> &Vec<u8>) -> Vec<u8> {
        let name = of(self).clone();
        if name.len() > 99 || !name.is_ascii() {
            self.record(key.as_bytes(), &name);
        }
        name
    }
}

fn copy(field: &mut [u8; 100], name: &[u8]) {
    for (to, from) in field.iter_mut().take(99).zip(name) {
        *to = *from;
    }
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn append_record(data: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = 1 + key.len() + 1 + value.len() + 1;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    data.extend_from_slice(len.to_string().as_bytes());
    data.push(b' ');
    data.extend_from_slice(key);
    data.push(b'=');
    data.extend_from_slice(value);
    data.push(b'\n');
}
