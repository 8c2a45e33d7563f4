//! Directories.

use super::{Known, value};

pub(super) const OPTIONS: &[Known] = &[
    value("lowerdir", "DIR[:DIR...]", "layers that are only read, the uppermost first", |d, v| {
        v.paths().map(|paths| d.lowerdir = Some(paths))
    }),
    value("lowerdir+", "DIR", "one such layer; may be given again, colons are plain", |d, v| {
        v.path().map(|path| d.lowerdir_plus.push(path))
    }),
    value(
        "upperdir",
        "DIR",
        "the layer that changes go to; without it nothing can be changed",
        |d, v| v.path().map(|path| d.upperdir = Some(path)),
    ),
    value("workdir", "DIR", "an empty directory on upperdir's file system", |d, v| {
        v.path().map(|path| d.workdir = Some(path))
    }),
];
