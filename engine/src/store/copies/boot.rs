//! Copies of containers after the host was started anew: either they or the rows
//! may be older than what was last written.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::Connection;

use super::{Due, Kind, Row, all, path_of, remove_if_there, write};
use crate::error::{Error, Result};
use crate::store::Durability;

/// In the folder of containers' copies: the boot in which they were written.
const BOOT: &str = "boot";

fn boot_id() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
}

/// Unknown counts as new: writing them again does no harm.
pub(super) fn is_new(dir: &Path) -> bool {
    let noted = fs::read_to_string(dir.join(Kind::Container.folder()).join(BOOT));
    match (noted, boot_id()) {
        (Ok(noted), Ok(now)) => noted != now,
        _ => true,
    }
}

/// Writes the copies of all containers again.
pub(super) fn refresh(dir: &Path, c: &Connection) -> Result<()> {
    let mut statement = c.prepare_cached("SELECT id FROM container")?;
    let ids = statement.query_map((), |r| r.get(0))?;
    let ids: Vec<String> = ids.collect::<rusqlite::Result<_>>()?;
    let at = |e| Error::io("write copies of records in", dir, e);
    for id in &ids {
        let due = Due { kind: Kind::Container, id: id.clone(), gone: false };
        if let Row::Written = write(dir, c, &due, Durability::Later)? {
            fs::rename(due.pending(dir), due.place(dir)).map_err(at)?;
        }
    }
    for name in all(dir, Kind::Container)? {
        if !ids.contains(&name) {
            remove_if_there(&path_of(dir, Kind::Container, &name)).map_err(at)?;
        }
    }
    note_boot(dir).map_err(at)
}

fn note_boot(dir: &Path) -> io::Result<()> {
    let file = super::super::root::create_private(&dir.join(Kind::Container.folder()).join(BOOT))?;
    io::Write::write_all(&mut &file, boot_id()?.as_bytes())
}
