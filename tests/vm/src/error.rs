//! Why a machine could not be run at all. How a program ended in it is no error: see `report`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The machine did not run, or could not be told how it ended.
#[derive(Debug)]
pub enum Error {
    /// Something that this needs is not installed. A test reports it as not run.
    Missing(Prerequisite),
    /// The guest's init could not prepare the machine: the program was not started.
    Setup(String),
    /// A request that can't be met, before anything was done.
    Invalid(String),
    /// The host failed: what was being done, to what, and why.
    Io {
        /// What was being done, as in `create`.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Something that has to be installed first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prerequisite {
    /// What is missing, as in `linux.uml`.
    pub name: String,
    /// The command that installs it.
    pub install: String,
}

impl Error {
    /// For `map_err`: remembers what was being done to which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// What is missing, if that is why the machine did not run.
    #[must_use]
    pub fn missing(&self) -> Option<&Prerequisite> {
        match self {
            Self::Missing(prerequisite) => Some(prerequisite),
            _ => None,
        }
    }
}

impl Prerequisite {
    pub(crate) fn package(name: &str, package: &str) -> Self {
        Self { name: name.to_owned(), install: format!("apt-get install {package}") }
    }
}

impl fmt::Display for Prerequisite {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} is missing: {}", self.name, self.install)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(prerequisite) => prerequisite.fmt(out),
            Self::Setup(what) => write!(out, "the machine could not be prepared: {what}"),
            Self::Invalid(what) => out.write_str(what),
            Self::Io { action, path, source } => {
                write!(out, "{action} {}: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
