//! The store's folder: its marker, and what lies where only the store's files
//! should.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use sapwood_kit::nodes::Ground;

use super::super::Site;
use super::super::finding::{Action, Finding};
use crate::error::{Error, Result};
use crate::store::{Root, RootState};

/// What may lie in the store's folder beside the drivers' folders.
const ROOT: [&str; 4] = ["sapwood.json", "engine", QUARANTINE, "lost+found"];

/// The folder for what a repair doesn't dare to delete.
pub(in super::super) const QUARANTINE: &str = "quarantine";

/// What may lie in the folder of the records.
const ENGINE: [&str; 10] = [
    "metadata.db",
    "metadata.db-wal",
    "metadata.db-shm",
    "metadata.db-journal",
    "lock",
    "reserve",
    "images",
    "containers",
    "pending",
    "outlines",
];

pub(super) fn look(site: &Site<'_>) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let marker = site.root.join("sapwood.json");
    let problem = match Root::state(site.root)? {
        RootState::Marked | RootState::Empty => None,
        RootState::Unmarked => Some(("marker-missing", "the store's marker is missing".to_owned())),
        RootState::Unreadable(why) => {
            Some(("marker-damaged", format!("the store's marker can't be read: {why}")))
        }
    };
    if let Some((code, what)) = problem {
        found.push(Finding::wrong(code, marker, what).mend(Action::WriteMarker, "write it again"));
    }
    let known = |name: &OsString| {
        ROOT.iter().chain(site.drivers).any(|known| name == known)
            || name.as_encoded_bytes().starts_with(b".sapwood.json.")
            // Somebody is finding out whether a driver works here.
            || Ground::is_named(name)
    };
    strays(site.root, known, &mut found)?;
    strays(&site.engine_dir(), |name| ENGINE.iter().any(|known| name == known), &mut found)?;
    Ok(found)
}

fn strays(dir: &Path, known: impl Fn(&OsString) -> bool, found: &mut Vec<Finding>) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|e| Error::io("list", dir, e))?,
    };
    for entry in entries {
        let name = entry.map_err(|e| Error::io("list", dir, e))?.file_name();
        if !known(&name) {
            let what = format!("{name:?} isn't the store's");
            found.push(Finding::wrong("stray", dir.join(name), what).set_aside());
        }
    }
    Ok(())
}
