//! One option of an `-o`: which it is, and what becomes of it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::UsageError;
use super::draft::Draft;
use super::tables::{
    FOR_MOUNT, FOR_MOUNT_PREFIXES, Known, NO_EFFECT, REFUSED, Takes, known, names,
};
use super::value::Value;

/// Takes one option, `NAME` or `NAME=VALUE`, into the draft.
pub(super) fn take(draft: &mut Draft, option: &OsStr) -> Result<(), UsageError> {
    let (name, value) = parts(option);
    if let Some(known) = known(name) {
        return set(draft, known, value);
    }
    if let Some(entry) = NO_EFFECT.iter().find(|(no_effect, _)| name == *no_effect) {
        draft.note(*entry);
        return Ok(());
    }
    if is_for_mount(name) {
        return Ok(());
    }
    match REFUSED.iter().find(|(refused, _)| name == *refused) {
        Some((option, reason)) => Err(UsageError::Refused { option, reason }),
        None => Err(UsageError::Unknown { option: name.to_owned(), hint: hint(name) }),
    }
}

fn set(draft: &mut Draft, known: &Known, value: Option<&OsStr>) -> Result<(), UsageError> {
    let option = known.name;
    match (&known.takes, value) {
        (Takes::Nothing(set), None) => {
            set(draft);
            Ok(())
        }
        (Takes::Nothing(_), Some(value)) => {
            Err(UsageError::HasValue { option, value: value.to_owned() })
        }
        (Takes::Value(expected, _), None) => Err(UsageError::NoValue { option, expected }),
        (Takes::Value(_, set) | Takes::Maybe(_, set), bytes) => {
            set(draft, &Value { option, bytes })
        }
    }
}

fn parts(option: &OsStr) -> (&OsStr, Option<&OsStr>) {
    let mut parts = option.as_bytes().splitn(2, |b| *b == b'=').map(OsStr::from_bytes);
    (parts.next().unwrap_or_default(), parts.next())
}

fn is_for_mount(name: &OsStr) -> bool {
    let starts = |prefix: &&str| name.as_bytes().starts_with(prefix.as_bytes());
    FOR_MOUNT.iter().any(|option| name == *option) || FOR_MOUNT_PREFIXES.iter().any(starts)
}

/// The nearest name, if one is near enough to be what was meant.
fn hint(name: &OsStr) -> String {
    // A guess for a person to read: what isn't text needn't be exact.
    let name = name.to_string_lossy();
    let distance = |known: &&str| strsim::osa_distance(known, &name);
    let nearest = names().min_by_key(distance).filter(|n| distance(n) <= 1 + n.len() / 4);
    match nearest {
        Some(nearest) => format!("did you mean {nearest}? --help lists all"),
        None => "--help lists those that are known".to_owned(),
    }
}
