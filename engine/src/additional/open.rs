//! Opening another's store: its folder by its path, once, and what is in it by
//! descriptor, through no symbolic link.
//!
//! Even a reader of the database would make files beside it, so a copy is read.
//! Whoever fills the store may write meanwhile: it is copied again until nothing has
//! changed under the copying.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use sapwood_kit::at::{self, Meta, Time};

use crate::error::{Error, Result};
use crate::store::{DATABASE, root, schema};

/// How often a database that is being written to is copied again.
const ATTEMPTS: usize = 16;

/// What a marker has at most; it has some twenty bytes.
const LONGEST_MARKER: u64 = 4096;

/// The beginning of a journal, which changes whenever it begins anew (SQLite's file
/// format, "WAL File Format").
const HEADER: usize = 32;

/// Bits with which a directory can be written to by others than its owner.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A store whose records were read.
#[derive(Debug)]
pub(super) struct Opened {
    records: Mutex<Connection>,
    /// The folder of the engine's records.
    dir: OwnedFd,
}

impl Opened {
    /// # Errors
    /// Why it can't be used, in words.
    pub(super) fn open(path: &Path, driver: &str) -> Result<Self, String> {
        let root = open_root(path)?;
        check_safe(&root, "it")?;
        check_marker(&root)?;
        let engine = directory(&root, "engine")?.ok_or("it has no images at all")?;
        check_safe(&engine, "its folder engine")?;
        let dir = match directory(&engine, driver)? {
            Some(dir) => dir,
            None => return Err(of_others(&engine, driver)),
        };
        check_safe(&dir, "its folder of records")?;
        let records = copied(&dir)?;
        schema::found(&records, &path.join("engine").join(driver).join(DATABASE))
            .map_err(|e| e.report())
            .and_then(
                |format| if format == 0 { Err("its database is empty".into()) } else { Ok(()) },
            )?;
        Ok(Self { records: Mutex::new(records), dir })
    }

    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        work(&self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The outline of a layer's archive; `None` if it has none.
    pub(super) fn outline(&self, chain: &str) -> Result<Option<File>> {
        let path = Path::new("outlines").join(chain);
        let failed = |e: io::Error| Error::io("read the outline", &path, e);
        open_file(&self.dir, &path).map_err(failed)
    }
}

fn open_root(path: &Path) -> Result<OwnedFd, String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).map_err(|e| match e {
        Errno::NOENT => "it isn't there".to_owned(),
        Errno::NOTDIR => "it is no folder".to_owned(),
        e => format!("it can't be opened: {}", io::Error::from(e)),
    })
}

/// Whoever could write to it could put what they like into containers.
fn check_safe(dir: &OwnedFd, what: &str) -> Result<(), String> {
    let meta = Meta::of(dir).map_err(words)?;
    let we = rustix::process::geteuid().as_raw();
    if meta.uid != 0 && meta.uid != we {
        let owner = meta.uid;
        return Err(format!("{what} belongs to user {owner}; only root's and one's own are used"));
    }
    if meta.mode & WRITABLE_BY_OTHERS != 0 {
        let mode = meta.mode & 0o7777;
        return Err(format!("{what} has mode {mode:04o}, so that others could change it"));
    }
    Ok(())
}

fn check_marker(root: &OwnedFd) -> Result<(), String> {
    let Some(file) = open_file(root, Path::new(root::MARKER)).map_err(|e| e.to_string())? else {
        return Err(match is_empty(root) {
            true => "it is an empty folder; is it mounted?".to_owned(),
            false => "it isn't a Sapwood store".to_owned(),
        });
    };
    let mut text = Vec::new();
    file.take(LONGEST_MARKER).read_to_end(&mut text).map_err(|e| e.to_string())?;
    root::check_marker(Path::new(root::MARKER), &text).map_err(|e| e.report())
}

/// A place where something should be mounted looks like that.
fn is_empty(root: &OwnedFd) -> bool {
    let names = at::open_dir(root, OsStr::new(".")).and_then(at::Names::read);
    names.is_ok_and(|names| names.is_empty())
}

/// A folder that has records, and none of this driver's.
fn of_others(engine: &OwnedFd, driver: &str) -> String {
    let names = at::open_dir(engine, OsStr::new(".")).and_then(at::Names::read);
    let others: Vec<_> = match &names {
        Ok(names) => names.iter().map(|entry| entry.name.display().to_string()).collect(),
        Err(_) => Vec::new(),
    };
    match others.is_empty() {
        true => format!("it has no images of {driver}"),
        false => format!("it has images of {}, and none of {driver}", others.join(" and ")),
    }
}

fn directory(above: &OwnedFd, name: &str) -> Result<Option<OwnedFd>, String> {
    match at::open_dir(above, OsStr::new(name)) {
        Ok(dir) => Ok(Some(dir)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(format!("{name:?} in it can't be opened: {}", io::Error::from(e))),
    }
}

/// A regular file beneath `dir`; `None` if there is none.
fn open_file(dir: &OwnedFd, path: &Path) -> io::Result<Option<File>> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let opened = match (above, path.file_name()) {
        (_, None) => return Ok(None),
        (None, Some(name)) => at::open_file(dir, name),
        (Some(above), Some(name)) => {
            at::open_beneath(dir, above, flags).and_then(|above| at::open_file(above, name))
        }
    };
    match opened {
        Ok((file, _)) => Ok(Some(file.into())),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn words(e: Errno) -> String {
    io::Error::from(e).to_string()
}

/// What tells whether the database was written to: size, time and inode, and how its
/// journal begins.
#[derive(PartialEq)]
struct State {
    database: Option<(u64, Time, u64)>,
    journal: Vec<u8>,
}

impl State {
    fn of(dir: &OwnedFd) -> io::Result<Self> {
        let database = match Meta::at(dir.as_fd(), DATABASE.as_ref()) {
            Ok(meta) => Some((meta.size, meta.mtime, meta.id.ino)),
            Err(Errno::NOENT) => None,
            Err(e) => return Err(e.into()),
        };
        let mut journal = Vec::new();
        if let Some(file) = open_file(dir, Path::new(JOURNAL))? {
            file.take(HEADER as u64).read_to_end(&mut journal)?;
        }
        Ok(Self { database, journal })
    }
}

const JOURNAL: &str = "metadata.db-wal";

/// The database as of one moment, in memory or in files that have no names.
fn copied(dir: &OwnedFd) -> Result<Connection, String> {
    for _ in 0..ATTEMPTS {
        if let Some(copy) = copy(dir).map_err(|e| format!("its database can't be read: {e}"))? {
            return Ok(copy);
        }
    }
    Err("its database is being written to all the time; try again".to_owned())
}

/// `None` if it has changed meanwhile.
fn copy(dir: &OwnedFd) -> io::Result<Option<Connection>> {
    let before = State::of(dir)?;
    if before.database.is_none() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it is missing"));
    }
    let place = tempfile::tempdir()?;
    // The journal last: it has what is missing in pages that are being folded.
    for name in [DATABASE, JOURNAL] {
        if let Some(mut from) = open_file(dir, Path::new(name))? {
            let mut to = File::create(place.path().join(name))?;
            io::copy(&mut from, &mut to)?;
            to.flush()?;
        }
    }
    if State::of(dir)? != before {
        return Ok(None);
    }
    let connection = Connection::open(place.path().join(DATABASE)).map_err(io::Error::other)?;
    // Its files are open, and go with it.
    connection
        .execute_batch("BEGIN; SELECT count(*) FROM sqlite_master; COMMIT;")
        .map_err(io::Error::other)?;
    Ok(Some(connection))
}
