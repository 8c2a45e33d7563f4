//! The command line, as fuse-overlayfs's and mount(8)'s: what each option is,
//! and a [`Request`] made of them.
//!
//! Nothing here touches a file system. One table (`tables/`) says which options
//! there are; parsing, `--help`, the search for the nearest name and the test of
//! docs/fuse-overlay.md all read it. An option is in one of five sets:
//!
//! | Set | What becomes of it |
//! |---|---|
//! | known | it does what its line in `--help` says |
//! | for mount(8) ([`FOR_MOUNT`]) | accepted without a word: it was meant for the program before us |
//! | without effect ([`NO_EFFECT`]) | accepted, and said once why nothing changes |
//! | refused ([`REFUSED`]) | an error that says why, and what to do |
//! | none of these | an error that names the nearest one |

mod arguments;
mod check;
mod draft;
mod error;
mod help;
mod id_map;
mod mount_options;
mod split;
mod tables;
mod union_options;
mod value;
mod word;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;

pub use error::UsageError;
pub use help::{help, version};
pub use id_map::{IdMap, IdMapError, IdRange, OVERFLOW_ID};
pub use mount_options::{Access, AccessTime, Label, MountFlags, MountOptions};
pub use tables::{FOR_MOUNT, FOR_MOUNT_PREFIXES, NO_EFFECT, REFUSED, names};
pub use union_options::{Durability, RedirectDir, Squash, UnionOptions, XattrPermissions, Xino};

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// To mount.
    Mount(Box<Options>),
    /// To say how it is used ([`help`]).
    Help,
    /// To say which version it is ([`version`]).
    Version,
}

/// A mount, with all that can be known without looking at a directory.
///
/// Paths are as they were given: perhaps relative to the working directory,
/// perhaps not there. Podman gives relative ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The lower layers, the uppermost first. At least one, no two alike.
    pub lowers: Vec<PathBuf>,
    /// Where changes go; without it the mount is read-only.
    pub upper: Option<Upper>,
    /// What the file system is to do.
    pub union: UnionOptions,
    /// What the mount is to be.
    pub mount: MountOptions,
    /// Stay in the foreground (`-f`, `-d`).
    pub foreground: bool,
    /// Tell every request on standard error (`-d`).
    pub debug: bool,
    /// Options that were given and change nothing, each once, with the reason:
    /// from [`NO_EFFECT`].
    pub without_effect: Vec<(&'static str, &'static str)>,
}

/// Where changes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upper {
    /// The uppermost layer.
    pub upper: PathBuf,
    /// An empty directory on the same file system, for what isn't complete yet.
    pub work: PathBuf,
}

/// Reads a command line, the program's own name left out.
///
/// Where an option is given twice the last one counts, as with mount(8);
/// `lowerdir+` adds instead. `--help` and `--version` go before anything that
/// `-o` may hold.
///
/// # Errors
/// See [`UsageError`]: an unknown or refused option, a value that is none,
/// options that contradict each other, no lower directory, no mount point.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Request, UsageError> {
    let arguments = arguments::read(args)?;
    if arguments.help {
        return Ok(Request::Help);
    }
    if arguments.version {
        return Ok(Request::Version);
    }
    let mut draft = draft::Draft::default();
    for argument in &arguments.options {
        for option in split::options(argument)? {
            word::take(&mut draft, &option)?;
        }
    }
    check::complete(draft, arguments).map(|options| Request::Mount(Box::new(options)))
}
