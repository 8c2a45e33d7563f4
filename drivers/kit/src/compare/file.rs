//! Two files, thing by thing.

use std::path::Path;

use graphdriver_api::{Op, Result};

use super::Compare;
use super::what::{What, differs};
use crate::at::xattr::{self, Target, Xattrs};
use crate::at::{self, Context, Kind};
use crate::diff::{Located, same_bytes};
use crate::whiteout::is_content;

/// In what `found` isn't `expected`; whether either has other names is another
/// question.
pub(super) fn differences(
    trees: &Compare<'_>,
    path: &Path,
    expected: &Located<'_>,
    found: &Located<'_>,
) -> Result<Vec<What>> {
    let (old, new) = (&expected.meta, &found.meta);
    if let Some(kind) = differs(old.kind, new.kind, What::Kind) {
        return Ok(vec![kind]);
    }
    let mut all: Vec<What> = [
        differs(old.mode, new.mode, What::Mode),
        differs((old.uid, old.gid), (new.uid, new.gid), What::Owner),
        differs(old.mtime, new.mtime, What::Modified),
        differs(old.device, new.device, What::Device),
    ]
    .into_iter()
    .flatten()
    .collect();
    let (old, new) = (xattrs(expected, path)?, xattrs(found, path)?);
    all.extend(attributes(&old, &new));
    all.extend(content(trees, path, expected, found)?);
    Ok(all)
}

fn xattrs(file: &Located<'_>, path: &Path) -> Result<Xattrs> {
    let found = xattr::read(Target::Entry(file.dir, file.name), is_content);
    found.doing(Op::Check, "read extended attributes", path)
}

fn attributes(expected: &Xattrs, found: &Xattrs) -> Vec<What> {
    let wrong = expected.iter().filter_map(|(name, value)| match found.get(name) {
        None => Some(What::XattrMissing(name.clone())),
        Some(now) if now != value => Some(What::XattrValue(name.clone())),
        Some(_) => None,
    });
    let extra = found.keys().filter(|name| !expected.contains_key(*name));
    wrong.chain(extra.cloned().map(What::XattrExtra)).collect()
}

fn content(
    trees: &Compare<'_>,
    path: &Path,
    expected: &Located<'_>,
    found: &Located<'_>,
) -> Result<Option<What>> {
    match expected.meta.kind {
        Kind::Symlink => {
            let read = |file: &Located<'_>| {
                at::read_link(file.dir, file.name).doing(Op::Check, "read the link", path)
            };
            Ok(differs(read(expected)?, read(found)?, What::Target))
        }
        Kind::File if expected.meta.size != found.meta.size => {
            Ok(differs(expected.meta.size, found.meta.size, What::Size))
        }
        Kind::File if expected.meta.size == 0 || (trees.known)(found.meta.id) => Ok(None),
        Kind::File => bytes(path, expected, found),
        _ => Ok(None),
    }
}

fn bytes(path: &Path, expected: &Located<'_>, found: &Located<'_>) -> Result<Option<What>> {
    let open = |file: &Located<'_>| {
        at::open_file(file.dir, file.name).doing(Op::Check, "open the file", path)
    };
    let ((expected, meta), (found, _)) = (open(expected)?, open(found)?);
    let same = same_bytes(&expected, &found, meta.size);
    let same = same.doing(Op::Check, "read the file", path)?;
    Ok((!same).then_some(What::Content))
}
