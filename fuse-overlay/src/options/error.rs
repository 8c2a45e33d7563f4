//! What can be wrong with a command line.

use std::ffi::OsString;

use super::IdMapError;

/// Why there is nothing to do: one line for who wrote the command line.
///
/// Values are shown as Rust's strings, so that a line break in one doesn't make
/// two lines of it and bytes that are no text can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// An argument that isn't known, or lacks its value.
    #[error("{0}; --help shows how it is used")]
    Arguments(String),
    /// Nowhere to mount.
    #[error("no mount point is given; fuse-overlay -o lowerdir=DIR MOUNTPOINT")]
    NoMountpoint,
    /// More than a source and a mount point.
    #[error(
        "{0:?} is one too many: only a source and a mount point are taken; directories of layers go into -o lowerdir="
    )]
    TooManyPaths(OsString),
    /// An option that nobody knows.
    #[error("unknown option {option:?}; {hint}")]
    Unknown {
        /// The option as it was given, without its value.
        option: OsString,
        /// The nearest one, or where all of them stand.
        hint: String,
    },
    /// An option that is known and can't be honoured.
    #[error("{option} is refused: {reason}")]
    Refused {
        /// The option.
        option: &'static str,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// An option needs a value.
    #[error("{option} needs a value: {option}={expected}")]
    NoValue {
        /// The option.
        option: &'static str,
        /// Which values there are.
        expected: &'static str,
    },
    /// An option takes no value.
    #[error("{option} takes no value, and {value:?} is given: write {option} alone")]
    HasValue {
        /// The option.
        option: &'static str,
        /// The value.
        value: OsString,
    },
    /// A value that isn't one.
    #[error("{option}={value:?} can't be used: it must be {expected}")]
    Value {
        /// The option.
        option: &'static str,
        /// The value.
        value: OsString,
        /// What it must be.
        expected: &'static str,
    },
    /// Ranges of ids that are no map.
    #[error("{option}: {source}")]
    IdMap {
        /// The option.
        option: &'static str,
        /// What is wrong with them.
        source: IdMapError,
    },
    /// A quotation mark that isn't closed.
    #[error("the value in {0:?} begins with a quotation mark and doesn't end with one")]
    Quote(OsString),
    /// Options that can't hold together, or one that needs another.
    #[error("{0}")]
    Contradiction(&'static str),
    /// One directory in two places.
    #[error("{0:?} is given as {1} and as {2}: each must be a directory of its own")]
    SameDirectory(OsString, &'static str, &'static str),
}
