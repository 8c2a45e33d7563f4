//! What must hold between options, and the whole that they make.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::arguments::Arguments;
use super::draft::Draft;
use super::{Durability, MountOptions, Options, RedirectDir, UnionOptions, Upper, UsageError};
use UsageError::Contradiction;

/// Makes options of what was said, or says what doesn't fit together.
pub(super) fn complete(mut draft: Draft, arguments: Arguments) -> Result<Options, UsageError> {
    let lowers = lowers(&mut draft)?;
    let upper = upper(&mut draft)?;
    check_directories(&lowers, upper.as_ref())?;
    let debug = draft.debug || arguments.debug;
    Ok(Options {
        union: union(&draft, arguments.single, upper.is_some())?,
        foreground: arguments.foreground || debug,
        debug,
        without_effect: std::mem::take(&mut draft.without_effect),
        mount: mount(draft, arguments.paths, upper.is_some())?,
        lowers,
        upper,
    })
}

fn lowers(draft: &mut Draft) -> Result<Vec<PathBuf>, UsageError> {
    let more = std::mem::take(&mut draft.lowerdir_plus);
    match draft.lowerdir.take() {
        Some(_) if !more.is_empty() => {
            Err(Contradiction("lowerdir and lowerdir+ are both given: use one of them for all"))
        }
        Some(lowers) => Ok(lowers),
        None if more.is_empty() => Err(Contradiction(
            "no lower directory is given: -o lowerdir=DIR[:DIR...] says what is mounted",
        )),
        None => Ok(more),
    }
}

fn upper(draft: &mut Draft) -> Result<Option<Upper>, UsageError> {
    match (draft.upperdir.take(), draft.workdir.take()) {
        (Some(upper), Some(work)) => Ok(Some(Upper { upper, work })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Contradiction(
            "upperdir is given without workdir: add workdir=DIR, an empty directory on the same file system",
        )),
        (None, Some(_)) => Err(Contradiction(
            "workdir is given without upperdir: add upperdir=DIR, or leave both away for a read-only mount",
        )),
    }
}

/// Finds directories that are given twice, by their names. The same directory
/// by two names, or one within another, is found when they are opened.
fn check_directories(lowers: &[PathBuf], upper: Option<&Upper>) -> Result<(), UsageError> {
    let same = |path: &Path, a, b| Err(UsageError::SameDirectory(path.into(), a, b));
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = lowers.iter().find(|lower| !seen.insert(lower.as_path())) {
        return same(twice, "one lower directory", "another");
    }
    match upper {
        Some(Upper { upper, work }) if upper == work => same(upper, "upperdir", "workdir"),
        Some(Upper { upper, .. }) if seen.contains(upper.as_path()) => {
            same(upper, "a lower directory", "upperdir")
        }
        Some(Upper { work, .. }) if seen.contains(work.as_path()) => {
            same(work, "a lower directory", "workdir")
        }
        _ => Ok(()),
    }
}

fn union(draft: &Draft, single: bool, writable: bool) -> Result<UnionOptions, UsageError> {
    let mut union = draft.union.clone();
    check_redirects(&union, writable)?;
    union.sync = durability(draft)?;
    union.threads = threads(draft, single)?;
    if draft.squash_to_root {
        if union.squash.uid.is_some() || union.squash.gid.is_some() {
            return Err(Contradiction(
                "squash_to_root is given with squash_to_uid or squash_to_gid: leave it away, or give both numbers instead",
            ));
        }
        union.squash.uid = Some(0);
        union.squash.gid = Some(0);
    }
    Ok(union)
}

/// The kernel's rule: without a redirect, a file whose content stayed below
/// would lose it when it is renamed.
fn check_redirects(union: &UnionOptions, writable: bool) -> Result<(), UsageError> {
    let redirects = union.redirect_dir.is_none_or(|mode| mode == RedirectDir::On);
    if writable && union.metacopy == Some(true) && !redirects {
        return Err(Contradiction(
            "metacopy=on needs redirect_dir=on: a renamed file finds its content by a redirect",
        ));
    }
    Ok(())
}

fn durability(draft: &Draft) -> Result<Durability, UsageError> {
    match (draft.volatile, draft.fsync) {
        (true, Some(true)) => Err(Contradiction(
            "volatile and fsync=1 are both given: nothing is flushed with volatile; leave one away",
        )),
        (true, _) => Ok(Durability::Volatile),
        (false, Some(false)) => Ok(Durability::NoFsync),
        (false, _) => Ok(Durability::Fsync),
    }
}

fn threads(draft: &Draft, single: bool) -> Result<Option<usize>, UsageError> {
    let single = single || draft.threaded == Some(false);
    match draft.max_threads {
        Some(2..) if single => Err(Contradiction(
            "one thread is asked for (-s, threaded=0), and more by max_threads: leave one away",
        )),
        _ if single && draft.threaded == Some(true) => {
            Err(Contradiction("-s and threaded=1 are both given: leave one away"))
        }
        _ if single => Ok(Some(1)),
        threads => Ok(threads),
    }
}

fn mount(draft: Draft, paths: Vec<OsString>, writable: bool) -> Result<MountOptions, UsageError> {
    if draft.allow_other && draft.allow_root {
        return Err(Contradiction(
            "allow_other and allow_root are both given: allow_other lets in root too; leave allow_root away",
        ));
    }
    let (source, mountpoint) = source_and_mountpoint(paths)?;
    Ok(MountOptions {
        mountpoint,
        access: draft.access(),
        read_only: draft.read_only || !writable,
        flags: draft.flags,
        fsname: draft.fsname.or(source).unwrap_or_else(|| super::help::NAME.into()),
        subtype: draft.subtype.unwrap_or_else(|| super::help::NAME.into()),
        labels: draft.labels,
        max_read: draft.max_read,
        auto_unmount: draft.auto_unmount,
    })
}

/// mount(8) gives what it would call the device first. It is a name for
/// /proc/mounts, and only that.
fn source_and_mountpoint(paths: Vec<OsString>) -> Result<(Option<OsString>, PathBuf), UsageError> {
    let mut paths = paths.into_iter();
    let (source, mountpoint) = match (paths.next(), paths.next(), paths.next()) {
        (_, _, Some(more)) => return Err(UsageError::TooManyPaths(more)),
        (source, Some(mountpoint), _) => (source, mountpoint),
        (Some(mountpoint), None, _) => (None, mountpoint),
        (None, None, _) => return Err(UsageError::NoMountpoint),
    };
    if mountpoint == OsStr::new("") {
        return Err(UsageError::NoMountpoint);
    }
    Ok((source.filter(|source| !source.is_empty()), mountpoint.into()))
}
