//! Makes the outline of an archive that passes by.
//!
//! The recorder follows the archive's framing as the kit's reader does and with
//! the same parsers, but it decides nothing: whatever it doesn't understand, or
//! couldn't be read back from the layer's tree as it stands in the archive, is
//! recorded byte by byte. So an outline is right for any bytes whatever; only
//! its size depends on how well they are understood.
//!
//! Recorded byte by byte are, beside headers, records and padding:
//!
//! * sparse files of every kind: where their holes were can't be told later;
//! * what belongs to whiteouts and to AUFS's own directories: it isn't unpacked;
//! * everything behind the end of the archive, or behind something that isn't
//!   a header.

use std::io::{self, Write};

use flate2::Crc;
use sapwood_kit::archive::entry::{EntryKind, LongNames, MapForm};
use sapwood_kit::archive::extensions::{Extensions, Scope};
use sapwood_kit::archive::header::{BLOCK, Block, Header, is_zero};
use sapwood_kit::archive::{Entry, Parsed, sparse};

use super::format::{self, FileRef};

/// Bytes of extension records that are read for their meaning; the kit refuses
/// archives with far less.
const MAX_RECORDS: usize = 8 << 20;

/// Bytes that are collected before they are written.
const COLLECT: usize = 32 << 10;

/// Takes an archive in pieces of any size, and writes its outline.
pub struct Recorder<W> {
    out: W,
    /// Bytes of the archive that haven't been written yet.
    bytes: Vec<u8>,
    total: u64,
    state: State,
    global: Extensions,
    global_bytes: usize,
    pending: Pending,
}

/// What is known of the entry to come.
#[derive(Debug, Default)]
struct Pending {
    names: LongNames,
    records: Option<Vec<u8>>,
    bytes: usize,
}

/// What the next bytes are.
#[derive(Debug)]
enum State {
    /// A header.
    Header(Gathered),
    /// A further block of a sparse file's map; then this many bytes of content.
    Map(Gathered, u64),
    /// Extension records of this kind: what is there, and how many bytes and
    /// then how much padding are still to come.
    Records { flag: u8, data: Vec<u8>, left: u64, padding: u64 },
    /// A file's bytes.
    File { file: FileRef, crc: Crc, left: u64 },
    /// So many bytes that are recorded as they are; then a header.
    Verbatim(u64),
    /// Everything is recorded as it is.
    Rest,
}

/// A block that may come in pieces.
#[derive(Debug)]
struct Gathered {
    block: Box<Block>,
    filled: usize,
}

impl Gathered {
    fn new() -> Self {
        Self { block: Box::new([0; BLOCK]), filled: 0 }
    }

    /// Takes what is missing from the front of `bytes`; tells how much it took.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let room = self.block.get_mut(self.filled..).unwrap_or_default();
        let taken = room.len().min(bytes.len());
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.filled += taken;
        taken
    }

    fn is_full(&self) -> bool {
        self.filled == BLOCK
    }
}

impl<W> std::fmt::Debug for Recorder<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("total", &self.total).finish_non_exhaustive()
    }
}

impl<W: Write> Recorder<W> {
    /// Records files by reference wherever that can be.
    pub fn new(out: W) -> Self {
        Self::begin(out, State::Header(Gathered::new()))
    }

    /// Records every byte as it is: for an archive whose files can't be read
    /// back by their paths.
    pub fn verbatim(out: W) -> Self {
        Self::begin(out, State::Rest)
    }

    fn begin(out: W, state: State) -> Self {
        Self {
            out,
            bytes: Vec::with_capacity(COLLECT + BLOCK),
            total: 0,
            state,
            global: Extensions::default(),
            global_bytes: 0,
            pending: Pending::default(),
        }
    }

    /// Takes the next bytes of the archive.
    ///
    /// # Errors
    /// Those of writing.
    pub fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.total += bytes.len() as u64;
        while !bytes.is_empty() {
            let taken = self.step(bytes)?;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the outline; gives back what it was written to, and how many bytes
    /// the archive had.
    ///
    /// # Errors
    /// Those of writing; `UnexpectedEof` for an archive that ended within a
    /// file, which can't have been unpacked.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        if matches!(self.state, State::File { .. }) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off"));
        }
        self.flush()?;
        format::put_end(&mut self.out)?;
        Ok((self.out, self.total))
    }

    /// Takes some of `bytes`, at least one; tells how many.
    fn step(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = std::mem::replace(&mut self.state, State::Rest);
        let taken = match &mut state {
            State::Header(gathered) | State::Map(gathered, _) => gathered.take(bytes),
            State::Records { data, left, padding, .. } => take_records(data, left, padding, bytes),
            State::File { crc, left, .. } => {
                let taken = at_most(bytes, *left);
                crc.update(bytes.get(..taken).unwrap_or_default());
                *left -= taken as u64;
                taken
            }
            State::Verbatim(left) => {
                let taken = at_most(bytes, *left);
                *left -= taken as u64;
                taken
            }
            State::Rest => bytes.len(),
        };
        if !matches!(state, State::File { .. }) {
            self.keep(bytes.get(..taken).unwrap_or_default())?;
        }
        self.state = self.after(state)?;
        Ok(taken)
    }

    /// What comes when what `state` waits for is there.
    fn after(&mut self, state: State) -> io::Result<State> {
        Ok(match state {
            State::Header(gathered) if gathered.is_full() => {
                self.header(&gathered.block).unwrap_or(State::Rest)
            }
            State::Map(gathered, content) if gathered.is_full() => more_map(&gathered, content),
            State::Records { flag, data, left: 0, padding: 0 } => {
                self.extension(flag, data).unwrap_or(State::Rest)
            }
            State::File { file, crc, left: 0 } => {
                self.flush()?;
                let file = FileRef { crc: crc.sum(), ..file };
                format::put_file(&mut self.out, &file)?;
                verbatim(padding(file.size))
            }
            State::Verbatim(0) => State::Header(Gathered::new()),
            other => other,
        })
    }

    fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= COLLECT { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        format::put_bytes(&mut self.out, &self.bytes)?;
        self.bytes.clear();
        Ok(())
    }

    /// What follows a header; `None` if that can't be told.
    fn header(&mut self, block: &Block) -> Option<State> {
        if is_zero(block) {
            return None;
        }
        let header = Header::parse(block).ok()?;
        match header.flag {
            flag @ (b'g' | b'x' | b'L' | b'K') => self.records(flag, &header),
            _ => self.entry(&header, block),
        }
    }

    fn records(&self, flag: u8, header: &Header) -> Option<State> {
        let left = u64::try_from(header.size).ok()?;
        let before = if flag == b'g' { self.global_bytes } else { self.pending.bytes };
        let all = usize::try_from(left).ok()?.checked_add(before)?;
        (all <= MAX_RECORDS).then(|| {
            let state = State::Records { flag, data: Vec::new(), left, padding: padding(left) };
            if left == 0 { State::Header(Gathered::new()) } else { state }
        })
    }

    fn extension(&mut self, flag: u8, data: Vec<u8>) -> Option<State> {
        if flag == b'g' {
            self.global_bytes += data.len();
            self.global.read(&data, Scope::Global).ok()?;
        } else {
            self.pending.bytes += data.len();
            match flag {
                b'x' => self.pending.records = Some(data),
                b'L' => self.pending.names.path = Some(c_string(data)),
                _ => self.pending.names.link = Some(c_string(data)),
            }
        }
        Some(State::Header(Gathered::new()))
    }

    fn entry(&mut self, header: &Header, block: &Block) -> Option<State> {
        let pending = std::mem::take(&mut self.pending);
        let (entry, form) = assemble(&self.global, header, pending).ok()?;
        let whole = entry.size.checked_add(padding(entry.size))?;
        Some(match form {
            MapForm::Header if sparse::from_header(block).ok()?.1 => {
                State::Map(Gathered::new(), whole)
            }
            MapForm::Dense if can_be_read_back(&entry) => State::File {
                left: entry.size,
                file: FileRef { path: entry.path, size: entry.size, crc: 0 },
                crc: Crc::new(),
            },
            _ => verbatim(whole),
        })
    }
}

/// The records themselves, and then their padding.
fn take_records(data: &mut Vec<u8>, left: &mut u64, padding: &mut u64, bytes: &[u8]) -> usize {
    if *left == 0 {
        let taken = at_most(bytes, *padding);
        *padding -= taken as u64;
        return taken;
    }
    let taken = at_most(bytes, *left);
    data.extend_from_slice(bytes.get(..taken).unwrap_or_default());
    *left -= taken as u64;
    taken
}

fn assemble(global: &Extensions, header: &Header, pending: Pending) -> Parsed<(Entry, MapForm)> {
    let mut extensions = global.clone();
    if let Some(records) = &pending.records {
        extensions.read(records, Scope::Local)?;
    }
    Entry::new(header, pending.names, extensions)
}

/// Whether all bytes of the entry will be those of the file at its path.
fn can_be_read_back(entry: &Entry) -> bool {
    let is_marker = |name: &[u8]| name.starts_with(b".wh.");
    entry.kind == EntryKind::File
        && entry.size > 0
        && !entry.path.split(|byte| *byte == b'/').any(is_marker)
}

fn more_map(gathered: &Gathered, content: u64) -> State {
    // Which parts it names is of no interest here; only whether more follow.
    match gathered.block.get(504) {
        Some(0) => verbatim(content),
        _ => State::Map(Gathered::new(), content),
    }
}

fn verbatim(len: u64) -> State {
    if len == 0 { State::Header(Gathered::new()) } else { State::Verbatim(len) }
}

fn at_most(bytes: &[u8], left: u64) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// GNU ends long names with a zero byte.
fn c_string(mut data: Vec<u8>) -> Vec<u8> {
    let len = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    data.truncate(len);
    data
}

/// Records `archive` in pieces of `step` bytes, puts the outline and the files'
/// bytes together again, and panics if that isn't `archive`: what a fuzzer
/// calls with any bytes.
///
/// # Panics
/// The recorder is wrong.
#[doc(hidden)]
#[allow(clippy::panic, reason = "a fuzzer's verdict")]
pub fn fuzz(archive: &[u8], step: usize) {
    let mut recorder = Recorder::new(Vec::new());
    for piece in archive.chunks(step.max(1)) {
        if let Err(e) = recorder.push(piece) {
            panic!("{e}");
        }
    }
    let Ok((outline, total)) = recorder.finish() else { return };
    let (mut rest, mut again) = (&outline[..], Vec::new());
    loop {
        match format::next(&mut rest) {
            Ok(Some(format::Part::Bytes(bytes))) => again.extend_from_slice(&bytes),
            Ok(Some(format::Part::File(file))) => {
                // In the archive they stand where they are to stand again.
                let len = usize::try_from(file.size).unwrap_or(usize::MAX);
                let bytes = archive.get(again.len()..).and_then(|rest| rest.get(..len));
                let mut crc = Crc::new();
                crc.update(bytes.unwrap_or_default());
                assert!(bytes.is_some() && crc.sum() == file.crc, "another file: {file:?}");
                again.extend_from_slice(bytes.unwrap_or_default());
            }
            Ok(None) => break,
            Err(e) => panic!("{e}"),
        }
    }
    assert!(again == archive && total == archive.len() as u64, "the archive isn't the same");
}

#[cfg(test)]
mod tests;
