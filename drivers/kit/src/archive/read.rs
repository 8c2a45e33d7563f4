//! Reads an archive entry by entry.
//!
//! What a hostile archive can make it hold in memory is bounded by
//! [`Limits::extension_bytes`] (twice: for one entry, and for global records),
//! and it never looks at a file: that is the extractor's part.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use graphdriver_api::{Error, ErrorKind, Limits, Op, Result};

use super::entry::{Entry, LongNames, MapForm};
use super::extensions::{Extensions, Scope};
use super::header::{BLOCK, Block, Header, is_zero};
use super::rule::{Parsed, Rule};
use super::source::Source;
use super::sparse::{self, Extent, Map, TextMap};

/// Reads entries from a stream.
pub struct Reader<'a> {
    source: Source<'a>,
    limits: Limits,
    global: Extensions,
    global_bytes: u64,
    /// What is left of the current entry's content.
    rest: u64,
    /// The bytes behind it up to the next block.
    padding: u64,
    entries: u64,
    bytes: u64,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("position", &self.source.position()).finish_non_exhaustive()
    }
}

/// Extension records on the way to their entry.
#[derive(Default)]
struct Pending {
    names: LongNames,
    records: Option<Vec<u8>>,
    bytes: u64,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.names.path.is_none() && self.names.link.is_none() && self.records.is_none()
    }
}

impl<'a> Reader<'a> {
    /// Reads from `tar`, which must be at the beginning of an archive.
    pub fn new(tar: &'a mut dyn Read, limits: &Limits) -> Self {
        Self {
            source: Source::new(tar),
            limits: *limits,
            global: Extensions::default(),
            global_bytes: 0,
            rest: 0,
            padding: 0,
            entries: 0,
            bytes: 0,
        }
    }

    /// The next entry; `None` at the end of the archive, after the stream has
    /// been read to *its* end. What wasn't read of the entry before is skipped.
    ///
    /// An archive without the two zero blocks at its end is taken as it is, as
    /// all programs do: a stream that was cut off between two entries can't be
    /// told from one that was written like that. Its digest tells. The same
    /// goes for the zeros that fill up the last entry's last block: `umoci
    /// insert` leaves them out, and what is written in Go doesn't miss them.
    ///
    /// # Errors
    /// `BadDiff`, with the rule and the entry's name or position; `Io`.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        if !self.leave_entry()? {
            return Ok(None);
        }
        let mut pending = Pending::default();
        loop {
            let Some(block) = self.header_block(&pending)? else { return Ok(None) };
            let header = Header::parse(&block).map_err(|rule| self.bad(rule))?;
            match header.flag {
                b'g' => self.global_records(&header, &pending)?,
                b'x' | b'L' | b'K' => self.extension(&header, &mut pending)?,
                _ => return self.entry(&header, &block, pending).map(Some),
            }
        }
    }

    /// Goes to the end of the current entry; `false` if the stream ends in its
    /// padding.
    fn leave_entry(&mut self) -> Result<bool> {
        let (rest, padding) = (std::mem::take(&mut self.rest), std::mem::take(&mut self.padding));
        self.source.take(rest, &mut |_| Ok(()))?;
        Ok(self.source.take_at_most(padding, &mut |_| Ok(()))? == 0)
    }

    /// Hands out the content of the current entry in pieces: each with its
    /// place in the file. Holes are left out.
    ///
    /// # Errors
    /// Those of `sink`; `BadDiff` if the archive ends before the entry does.
    pub fn content(
        &mut self,
        entry: &Entry,
        sink: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let whole = [Extent { offset: 0, len: entry.size }];
        for extent in entry.map.as_ref().map_or(&whole[..], Map::extents) {
            let mut offset = extent.offset;
            let mut place = |piece: &[u8]| {
                sink(offset, piece)?;
                offset += piece.len() as u64;
                Ok(())
            };
            self.source.take(extent.len, &mut place).map_err(|e| of_entry(e, &entry.path))?;
            self.rest = self.rest.saturating_sub(extent.len);
        }
        Ok(())
    }

    /// Entries so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Bytes of content so far, holes included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next block, if it is a header.
    fn header_block(&mut self, pending: &Pending) -> Result<Option<Block>> {
        let block = self.source.block()?;
        if let Some(block) = block.filter(|block| !is_zero(block)) {
            return Ok(Some(block));
        }
        if !pending.is_empty() {
            return Err(self.bad("extension records without the entry they are for"));
        }
        if block.is_some() && self.source.block()?.is_some_and(|second| !is_zero(&second)) {
            // Some programs end here and others go on: two trees in one file.
            return Err(self.bad("a single block of zeros between entries"));
        }
        self.source.drain()?;
        Ok(None)
    }

    fn global_records(&mut self, header: &Header, pending: &Pending) -> Result<()> {
        if !pending.is_empty() {
            return Err(self.bad("global records between an entry and its own records"));
        }
        let data = self.extension_data(header, self.global_bytes)?;
        self.global_bytes += data.len() as u64;
        self.global.read(&data, Scope::Global).map_err(|rule| self.bad(rule))
    }

    fn extension(&mut self, header: &Header, pending: &mut Pending) -> Result<()> {
        let mut data = self.extension_data(header, pending.bytes)?;
        pending.bytes += data.len() as u64;
        let slot = match header.flag {
            b'x' => &mut pending.records,
            b'L' => &mut pending.names.path,
            _ => &mut pending.names.link,
        };
        if header.flag != b'x' {
            data = c_string(data).map_err(|rule| self.bad(rule))?;
        }
        match slot.replace(data) {
            Some(_) => Err(self.bad("two extension records of one kind for one entry")),
            None => Ok(()),
        }
    }

    fn extension_data(&mut self, header: &Header, before: u64) -> Result<Vec<u8>> {
        let size = u64::try_from(header.size).map_err(|_| self.bad("a negative size"))?;
        self.check_extension_bytes(before.saturating_add(size))?;
        let mut data = Vec::new();
        self.source.take(size, &mut |piece| {
            data.extend_from_slice(piece);
            Ok(())
        })?;
        self.source.take(padding(size), &mut |_| Ok(()))?;
        Ok(data)
    }

    fn check_extension_bytes(&self, bytes: u64) -> Result<()> {
        let limit = self.limits.extension_bytes;
        if bytes > limit.into() {
            return Err(self.bad(format!(
                "more than {limit} bytes of extension records (limit extension-bytes)"
            )));
        }
        Ok(())
    }

    fn entry(&mut self, header: &Header, block: &Block, pending: Pending) -> Result<Entry> {
        let used = pending.bytes;
        let (mut entry, form) = self.assemble(header, pending).map_err(|rule| self.bad(rule))?;
        let path = entry.path.clone();
        self.add_map(&mut entry, form, block, used).map_err(|e| of_entry(e, &path))?;
        self.count(&entry).map_err(|e| of_entry(e, &path))?;
        Ok(entry)
    }

    fn assemble(&self, header: &Header, pending: Pending) -> Parsed<(Entry, MapForm)> {
        let mut extensions = self.global.clone();
        if let Some(records) = &pending.records {
            extensions.read(records, Scope::Local)?;
        }
        let limit = self.limits.xattr_bytes;
        if extensions.xattr_bytes() > limit.into() {
            return Err(Rule::new(format!(
                "more than {limit} bytes of attributes (limit xattr-bytes)"
            )));
        }
        Entry::new(header, pending.names, extensions)
    }

    /// Reads the map of a sparse file where there is one, and sets what is to
    /// be read of the entry.
    fn add_map(
        &mut self,
        entry: &mut Entry,
        form: MapForm,
        block: &Block,
        used: u64,
    ) -> Result<()> {
        let stored = entry.size;
        let (map, before) = match form {
            MapForm::Dense => (None, 0),
            MapForm::Records(map) => (Some(map), 0),
            MapForm::Header => (Some(self.header_map(block, used)?), 0),
            MapForm::Content { size } => {
                let (map, before) = self.content_map(size, stored, used)?;
                (Some(map), before)
            }
        };
        let content = stored - before;
        (self.rest, self.padding) = (content, padding(stored));
        if let Some(map) = map {
            let map = map.checked(content).map_err(|rule| self.bad(rule))?;
            entry.size = map.size();
            entry.map = Some(map);
        }
        Ok(())
    }

    fn header_map(&mut self, block: &Block, mut used: u64) -> Result<Map> {
        let (mut map, mut more) = sparse::from_header(block).map_err(|rule| self.bad(rule))?;
        while more {
            let block = self.map_block(&mut used)?;
            more = sparse::from_extension(&mut map, &block).map_err(|rule| self.bad(rule))?;
        }
        Ok(map)
    }

    /// The map before the content, and how many bytes it took.
    fn content_map(&mut self, size: u64, stored: u64, mut used: u64) -> Result<(Map, u64)> {
        let mut text = TextMap::default();
        let mut read = 0;
        loop {
            if stored - read < BLOCK as u64 {
                return Err(self.bad("a map of a sparse file that is longer than its entry"));
            }
            let block = self.map_block(&mut used)?;
            read += BLOCK as u64;
            if text.feed(&block).map_err(|rule| self.bad(rule))? {
                return Ok((text.finish(size).map_err(|rule| self.bad(rule))?, read));
            }
        }
    }

    fn map_block(&mut self, used: &mut u64) -> Result<Block> {
        *used += BLOCK as u64;
        self.check_extension_bytes(*used)?;
        self.source.block()?.ok_or_else(|| self.bad("an end within an entry: it was cut off"))
    }

    fn count(&mut self, entry: &Entry) -> Result<()> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(entry.size);
        let Limits { entries, bytes, .. } = self.limits;
        if self.entries > entries {
            return Err(self.bad(format!("more than {entries} entries (limit entries)")));
        }
        if self.bytes > bytes {
            return Err(self.bad(format!("more than {bytes} bytes of content (limit bytes)")));
        }
        Ok(())
    }

    /// A broken rule, and about where.
    fn bad(&self, rule: impl Into<Rule>) -> Error {
        let at = self.source.position();
        let words = format!("the archive has {} (before byte {at})", rule.into());
        Error::new(ErrorKind::BadDiff, Op::Apply, words)
    }
}

fn of_entry(error: Error, path: &[u8]) -> Error {
    error.with_path(OsStr::from_bytes(path))
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// GNU ends long names with a zero byte.
fn c_string(mut data: Vec<u8>) -> Parsed<Vec<u8>> {
    let len = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    if data.iter().skip(len).any(|byte| *byte != 0) {
        return Err("a path with a zero byte".into());
    }
    data.truncate(len);
    Ok(data)
}
