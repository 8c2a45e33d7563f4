//! The root itself: its format, its directories, and what lies beside them.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use super::super::format::{self, OWN_DIRS};
use super::super::{boot, disk, ground};
use super::found::{Action, Found};
use super::look::Look;
use crate::at::Meta;

pub(super) fn look(look: &Look<'_>) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    found.extend(format_of(look)?);
    let own = look.rules.layout.own;
    for name in OWN_DIRS.iter().chain(own).copied() {
        found.extend(directory(look, name)?);
    }
    for name in disk::names(look.root())? {
        if !is_known(look, &name) {
            let what = format!("{name:?} lies in the driver's root and isn't the driver's");
            found.push(Found::wrong("stray", name, what).set_aside());
        }
    }
    Ok(found)
}

fn format_of(look: &Look<'_>) -> io::Result<Option<Found>> {
    let problem = match format::read(&look.root)? {
        None => ("format-missing", "the file that says whose root this is, is missing"),
        Some(bytes) if !format::is_readable(&bytes) => {
            ("format-damaged", "the file that says whose root this is can't be read")
        }
        Some(_) => return Ok(None),
    };
    let found = Found::wrong(problem.0, format::FILE, problem.1.to_owned());
    Ok(Some(found.mend(Action::WriteFormat, "write it again")))
}

fn directory(look: &Look<'_>, name: &str) -> io::Result<Option<Found>> {
    match look.shelf(name)? {
        None => {
            let found = Found::wrong("directory-missing", name, format!("{name}/ is missing"));
            Ok(Some(found.mend(Action::MakeDirs, "make it, empty")))
        }
        Some(_) => owner(look, Path::new(name)),
    }
}

/// Whether a directory of ours can be entered by others, or isn't ours.
pub(super) fn owner(look: &Look<'_>, path: &Path) -> io::Result<Option<Found>> {
    let root = Meta::of(&look.root)?;
    let dir = crate::deep::open_dir(&look.root, path)?;
    let meta = Meta::of(dir)?;
    if (meta.uid, meta.mode & 0o77) == (root.uid, 0) && meta.mode & 0o700 == 0o700 {
        return Ok(None);
    }
    let what = format!(
        "its directory belongs to {}:{} with mode {:04o}, not to {} with 0700",
        meta.uid, meta.gid, meta.mode, root.uid
    );
    Ok(Some(Found::wrong("owner", path, what).mend(Action::Own, "give it back to its owner")))
}

fn is_known(look: &Look<'_>, name: &OsStr) -> bool {
    let own = look.rules.layout.own;
    name == format::FILE
        || name == boot::MARK
        || format::is_ours(name)
        || OWN_DIRS.iter().chain(own).any(|known| name == *known)
        || name.as_encoded_bytes().starts_with(ground::PREFIX.as_bytes())
}
