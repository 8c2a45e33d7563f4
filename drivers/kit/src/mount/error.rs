//! Why a mount failed.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use sapwood_sys::mount_attr::MountAttrError;

/// A step of mounting that failed.
///
/// The kernel gives most mistakes in a mount the same few numbers. Where it
/// also says something in words (fsconfig(2), "retrieving messages"), the words
/// are here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountError {
    doing: &'static str,
    errno: Errno,
    said: Option<String>,
}

impl MountError {
    pub(super) fn new(doing: &'static str, errno: Errno) -> Self {
        Self { doing, errno, said: None }
    }

    /// For `map_err`; `doing` begins with a verb.
    pub(super) fn at(doing: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::new(doing, errno)
    }

    pub(super) fn attr(doing: &'static str) -> impl FnOnce(MountAttrError) -> Self {
        move |error| Self {
            doing,
            errno: match error {
                MountAttrError::Other(errno) => errno,
                MountAttrError::Writers => Errno::BUSY,
                MountAttrError::NotAllowed => Errno::PERM,
                MountAttrError::NoIdMap | MountAttrError::NoSystemCall => Errno::OPNOTSUPP,
            },
            said: Some(error.to_string()),
        }
    }

    pub(super) fn with_words(mut self, words: impl Into<String>) -> Self {
        self.said = Some(words.into());
        self
    }

    /// Takes the kernel's own words from a file system context.
    pub(super) fn with_log(mut self, context: BorrowedFd<'_>) -> Self {
        let mut buffer = [0; 512];
        let mut lines = Vec::new();
        // It ends with ENODATA; any other error leaves us with what there is.
        while let Ok(length) = rustix::io::read(context, &mut buffer) {
            let line = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
            // "e overlay: too many lower directories": level, then the words.
            let words = line.trim_end().split_once(' ').map_or("", |(_, words)| words);
            lines.push(words.to_owned());
        }
        if !lines.is_empty() {
            self.said = Some(lines.join("; "));
        }
        self
    }

    /// The kernel's number.
    #[must_use]
    pub fn errno(&self) -> Errno {
        self.errno
    }

    /// What was being done, beginning with a verb.
    #[must_use]
    pub fn doing(&self) -> &'static str {
        self.doing
    }

    /// The reason in the fewest words: what the kernel said, else its number's
    /// meaning.
    #[must_use]
    pub fn reason(&self) -> String {
        self.said.clone().unwrap_or_else(|| io::Error::from(self.errno).to_string())
    }
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.doing)?;
        if let Some(said) = &self.said {
            write!(f, ": {said}")?;
        }
        write!(f, ": {}", io::Error::from(self.errno))
    }
}

impl std::error::Error for MountError {}

impl From<MountError> for io::Error {
    fn from(error: MountError) -> Self {
        Self::new(Self::from(error.errno).kind(), error)
    }
}
