//! Layer archives from a tree: the same tree gives the same bytes.
//!
//! The format is ustar (POSIX.1-1988) with PAX records (POSIX.1-2001) where
//! ustar can't hold something: paths over 100 bytes, times with nanoseconds or
//! before 1970, large ids and sizes, extended attributes. Owners are numbers
//! only, since names mean nothing on another host.

mod content;
mod header;
mod parents;
mod records;
mod sparse;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use graphdriver_api::{ChangeKind, DiffSummary, Error, ErrorKind, Op, Result};
use rustix::io::Errno;

use crate::at::xattr::{self, Target};
use crate::at::{self, Context, Kind, Meta};
use crate::diff::{self, Found, Located, Trees};
use crate::whiteout::{is_content, is_reserved};

use content::Counted;
use header::{Header, Type};
use parents::Parents;
use records::Records;

/// What a whiteout's name begins with (image-spec, layer.md).
const WHITEOUT: &[u8] = b".wh.";

/// Writes the difference of two trees as a layer archive.
///
/// Sockets are left out: no archive holds them, and without their process they
/// are nothing. What one took the place of is whited out. What is changed while
/// it is written is written as it was found: of a file that grows, what it had
/// at first.
///
/// # Errors
/// `Unsupported` for a name that begins with `.wh.`, which would be read as a
/// whiteout; `Busy` for a file that shrinks while it is written: no bytes are
/// made up for those that were announced; else those of [`diff::find`] and of
/// writing.
pub fn write(op: Op, trees: &Trees<'_>, out: &mut dyn Write) -> Result<DiffSummary> {
    let mut writer = Writer::new(op, out);
    diff::find(op, trees, &mut |found| {
        writer.add(&found)?;
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    writer.finish()
}

/// Writes one change after the other; for who finds them otherwise than by
/// [`write()`].
#[derive(Debug)]
pub struct Writer<'a> {
    op: Op,
    out: Counted<'a>,
    entries: u64,
    parents: Parents,
}

impl<'a> Writer<'a> {
    /// An archive without entries yet.
    pub fn new(op: Op, out: &'a mut dyn Write) -> Self {
        Self { op, out: Counted::new(out), entries: 0, parents: Parents::default() }
    }

    /// Writes one change. They have to come in path order, and a
    /// [`link`](Found::link) has to be there by then.
    ///
    /// The directories above are written first if they haven't been: programs
    /// that unpack a layer by itself give a directory that it doesn't name
    /// attributes of their own choice, which then hide the right ones.
    ///
    /// # Errors
    /// As [`write()`].
    pub fn add(&mut self, found: &Found<'_>) -> Result<()> {
        for up in self.parents.missing(found) {
            self.add_parent(found, up)?;
        }
        self.add_alone(found)
    }

    /// Writes the directory that is so many above the one of a change.
    fn add_parent(&mut self, found: &Found<'_>, up: usize) -> Result<()> {
        let path = parents::above(found.path, up);
        let dir = parents::open(found.dir, up).doing(self.op, "open the directory", &path)?;
        let name = OsStr::new(".");
        let meta = Meta::of(&dir).doing(self.op, "look at the directory", &path)?;
        let now = Some(Located { dir: dir.as_fd(), name, meta });
        let kind = ChangeKind::Modified;
        self.add_alone(&Found { path: &path, dir: dir.as_fd(), kind, now, link: None })
    }

    fn add_alone(&mut self, found: &Found<'_>) -> Result<()> {
        let name = found.path.file_name().unwrap_or_default();
        if is_reserved(name) {
            let message = "a layer archive can't hold a name that begins with \".wh.\": \
                           it would be read as a whiteout; rename the file";
            return Err(Error::new(ErrorKind::Unsupported, self.op, message).with_path(found.path));
        }
        let added = match (&found.now, found.link) {
            (None, _) => self.whiteout(found.path),
            (Some(now), _) if now.meta.kind == Kind::Socket => match found.kind {
                // Else what the socket took the place of would be back.
                ChangeKind::Modified => self.whiteout(found.path),
                _ => return Ok(()),
            },
            (Some(now), Some(target)) => self.hard_link(found.path, &now.meta, target),
            (Some(now), None) => self.entry(found.path, now),
        };
        match added {
            Ok(()) => {
                self.entries += 1;
                Ok(())
            }
            // Gone since it was found: then it isn't there, and nothing of it
            // has been written.
            Err(Failed::Gone) => Ok(()),
            Err(Failed::With(e)) => Err(e.with_path(found.path)),
        }
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> Result<DiffSummary> {
        let end = self.out.put(&[0; 1024]).and_then(|()| self.out.flush());
        end.map_err(|e| Error::io(self.op, "write the end of the archive", e))?;
        Ok(DiffSummary { entries: self.entries, bytes: self.out.count() })
    }

    fn whiteout(&mut self, path: &Path) -> Done {
        let mut name = OsString::from_vec(WHITEOUT.to_vec());
        name.push(path.file_name().unwrap_or_default());
        let header = Header::new(Type::File, path.with_file_name(name).as_os_str().as_bytes());
        self.header(header, Records::default())
    }

    fn hard_link(&mut self, path: &Path, meta: &Meta, target: &Path) -> Done {
        let mut header = Header::new(Type::HardLink, path.as_os_str().as_bytes());
        header.meta(meta);
        header.link(target.as_os_str().as_bytes());
        self.header(header, Records::default())
    }

    fn entry(&mut self, path: &Path, now: &Located<'_>) -> Done {
        let mut records = Records::default();
        for (name, value) in self.attributes(now)? {
            records.xattr(name.as_bytes(), &value);
        }
        let bytes = path.as_os_str().as_bytes();
        match now.meta.kind {
            Kind::File => self.file(bytes, now, records),
            Kind::Directory => {
                let mut header = Header::new(Type::Directory, &[bytes, b"/"].concat());
                header.meta(&now.meta);
                self.header(header, records)
            }
            Kind::Symlink => {
                let target = at::read_link(now.dir, now.name);
                let target = self.unless_gone(target, "read the link")?;
                let mut header = Header::new(Type::Symlink, bytes);
                header.meta(&now.meta);
                header.link(target.as_bytes());
                self.header(header, records)
            }
            Kind::CharDevice => self.special(Type::CharDevice, bytes, now, records),
            Kind::BlockDevice => self.special(Type::BlockDevice, bytes, now, records),
            Kind::Fifo => self.special(Type::Fifo, bytes, now, records),
            // Left out by the caller.
            Kind::Socket => Ok(()),
        }
    }

    fn special(&mut self, kind: Type, path: &[u8], now: &Located<'_>, records: Records) -> Done {
        let mut header = Header::new(kind, path);
        header.meta(&now.meta);
        header.device(now.meta.device);
        self.header(header, records)
    }

    fn file(&mut self, path: &[u8], now: &Located<'_>, mut records: Records) -> Done {
        let opened = at::open_file(now.dir, now.name);
        let (file, meta) = self.unless_gone(opened, "open the file")?;
        let map = sparse::map(&file, meta.size);
        let map = map.map_err(|e| Error::io(self.op, "read the file", e))?;
        let mut header = Header::new(Type::File, path);
        header.meta(&meta);
        match map {
            None => {
                header.size(meta.size);
                self.header(header, records)?;
                self.copy(&file, 0, meta.size)?;
            }
            Some(map) => {
                let text = map.text();
                records.sparse(path, meta.size);
                header.name(&sparse::placeholder(path));
                header.size(text.len() as u64 + map.stored());
                self.header(header, records)?;
                self.put(&text)?;
                for piece in map.pieces() {
                    self.copy(&file, piece.start, piece.end - piece.start)?;
                }
            }
        }
        self.out.pad().map_err(|e| self.failed(e).into())
    }

    fn copy(&mut self, file: &OwnedFd, at: u64, len: u64) -> Done {
        match self.out.copy(file, at, len) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let message = "a file shrank while it was written: pause what writes to it, \
                               or try again";
                Err(Error::new(ErrorKind::Busy, self.op, message).into())
            }
            Err(e) => Err(self.failed(e).into()),
        }
    }

    fn header(&mut self, mut header: Header, mut records: Records) -> Done {
        header.overflow(&mut records);
        if let Some(extension) = records.entry(header.path()) {
            self.put(&extension)?;
        }
        let block = header.block();
        self.put(&block)
    }

    fn put(&mut self, bytes: &[u8]) -> Done {
        self.out.put(bytes).map_err(|e| self.failed(e).into())
    }

    fn attributes(&self, now: &Located<'_>) -> std::result::Result<xattr::Xattrs, Failed> {
        let read = xattr::read(Target::Entry(now.dir, now.name), is_content);
        self.unless_gone(read, "read extended attributes")
    }

    fn unless_gone<T>(
        &self,
        result: rustix::io::Result<T>,
        doing: &'static str,
    ) -> std::result::Result<T, Failed> {
        match result {
            Err(Errno::NOENT | Errno::INVAL) => Err(Failed::Gone),
            other => other.map_err(|e| Failed::With(Error::io(self.op, doing, e))),
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io(self.op, "write the archive", error)
    }
}

type Done = std::result::Result<(), Failed>;

enum Failed {
    /// What was to be written isn't there any more, and nothing was written.
    Gone,
    With(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::With(error)
    }
}

#[cfg(test)]
mod tests;
