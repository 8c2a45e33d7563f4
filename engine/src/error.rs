//! What can go wrong with images and the store, said in one line with the next
//! step. Containers have their own error, because theirs carries an exit
//! status.

use std::io;
use std::path::{Path, PathBuf};

use crate::image::ReferenceError;

/// The result of everything that images and the store do.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the store or of an operation on images.
///
/// `Display` is one line without the causes; [`Error::report`] is one line
/// with all of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing here has that name, id or digest.
    #[error("no such image: {0}; `sapwood images` lists those that are here")]
    NoSuchImage(String),
    /// Nothing has that name, id or digest; but not every store could be looked at.
    #[error("no such image: {given}; not everywhere could be looked for it: {unseen}")]
    NotLookedFor {
        /// What was given.
        given: String,
        /// Which stores couldn't be looked at, and why.
        unseen: String,
    },
    /// A store that somebody else fills can't be used.
    #[error("the additional image store {} can't be used: {problem}", path.display())]
    Additional {
        /// Its folder.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The beginning of an id fits several images.
    #[error("the image id {prefix} is ambiguous: it fits {}; give more of it", matches.join(", "))]
    AmbiguousId {
        /// What was given.
        prefix: String,
        /// The ids that it fits, shortened to what tells them apart.
        matches: Vec<String>,
    },
    /// A name that no image can have.
    #[error("{given:?} can't name an image: {why}")]
    BadReference {
        /// What was given.
        given: String,
        /// The rule that it breaks.
        why: ReferenceError,
    },
    /// The image is needed by something else, or the request would do more
    /// than it says. The message names what and how to go on.
    #[error("{0}")]
    Conflict(String),
    /// A value that can't be understood, named together with what is allowed.
    #[error("{0}")]
    Invalid(String),
    /// The image archive is damaged, hostile, or of a kind that isn't known.
    #[error("{archive}: {problem}")]
    BadArchive {
        /// The archive as the user named it.
        archive: String,
        /// What is wrong with it.
        problem: String,
        /// What showed it, where that was another error.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// An image can't be written.
    #[error("image {image} can't be saved")]
    Unsaved {
        /// Its id.
        image: String,
        /// Why not.
        source: Box<Error>,
    },
    /// A layer isn't what it was when it came.
    #[error("layer {layer}: {problem}")]
    BadLayer {
        /// Its diff ID.
        layer: String,
        /// What is wrong with it.
        problem: String,
        /// What showed it, where that was another error.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The folder given as root holds something else.
    #[error(
        "{} isn't empty and isn't a Sapwood store{}; choose another folder with --root",
        path.display(),
        if looks_like.is_empty() { String::new() } else { format!(" (it looks like {looks_like})") }
    )]
    ForeignRoot {
        /// The folder.
        path: PathBuf,
        /// Whose it seems to be; empty if that can't be told.
        looks_like: &'static str,
    },
    /// A newer version wrote the store.
    #[error(
        "{} has format {found}, and this version of Sapwood knows formats up to {known}; \
         use the version that wrote it, or a newer one",
        path.display()
    )]
    NewerFormat {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The store contradicts itself.
    #[error("{} is damaged: {problem}", path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// What is to be changed is on a medium that can only be read.
    #[error(
        "{} is on a read-only medium: what is in it can be listed and checked, and not be changed",
        path.display()
    )]
    ReadOnly {
        /// The store's folder.
        path: PathBuf,
    },
    /// The metadata database failed.
    #[error("the store's database failed")]
    Database(#[from] rusqlite::Error),
    /// A system call failed.
    #[error("can't {doing} {}", path.display())]
    Io {
        /// What was attempted, in the infinitive.
        doing: &'static str,
        /// What it was attempted on.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The storage driver failed.
    #[error(transparent)]
    Driver(#[from] graphdriver_api::Error),
}

impl Error {
    /// A failed system call: `doing` is what was attempted, in the infinitive.
    pub fn io(doing: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Self::Io { doing, path: path.as_ref().to_owned(), source: source.into() }
    }

    /// Whether it says that something in the store isn't what it was. Any other
    /// only says that this couldn't be found out, now.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::BadLayer { .. } | Self::Corrupt { .. })
    }

    /// One line with the error and all its causes.
    #[must_use]
    pub fn report(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_with_every_cause() {
        let error = Error::io("read", "/x", io::Error::from_raw_os_error(2));
        assert_eq!(error.report(), "can't read /x: No such file or directory (os error 2)");
    }

    #[test]
    fn only_damage_is_damage() {
        let layer = || "sha256:00".to_owned();
        let problem = || "x".to_owned();
        let bad = Error::BadLayer { layer: layer(), problem: problem(), source: None };
        assert!(bad.is_damage());
        assert!(Error::Corrupt { path: "/x".into(), problem: problem() }.is_damage());
        for errno in [rustix::io::Errno::IO, rustix::io::Errno::NOMEM, rustix::io::Errno::ACCESS] {
            assert!(!Error::io("read", "/x", errno).is_damage());
        }
        assert!(!Error::Invalid(problem()).is_damage());
    }

    #[test]
    fn a_foreign_root_says_whose_it_seems_to_be() {
        let error = |looks_like| Error::ForeignRoot { path: "/r".into(), looks_like }.to_string();
        assert_eq!(
            error("Docker's"),
            "/r isn't empty and isn't a Sapwood store (it looks like Docker's); \
             choose another folder with --root"
        );
        assert_eq!(
            error(""),
            "/r isn't empty and isn't a Sapwood store; choose another folder with --root"
        );
    }
}
