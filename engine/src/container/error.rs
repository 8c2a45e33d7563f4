//! What can go wrong with a container, said in one line, with the exit status
//! that `docker run` would give it.

use std::fmt;
use std::io;
use std::path::Path;

/// The result of everything that this module does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as the caller's next step or the exit status
/// depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value given by the user can't be understood or contradicts another.
    Invalid,
    /// A request that was understood and that can't be honoured here. Nothing
    /// was created: a limit or a protection is never dropped in silence.
    Refused,
    /// The container's name is taken.
    NameInUse,
    /// No such container, or no such image.
    NotFound,
    /// The prefix of an id fits more than one container.
    Ambiguous,
    /// The container is running, and the operation wants a stopped one.
    Running,
    /// The command is there, but the kernel or its permissions won't have it.
    NotExecutable,
    /// The command isn't there.
    CommandNotFound,
    /// The runtime couldn't make a process of the bundle.
    Runtime,
    /// Another command is at work on the container's tree.
    Busy,
    /// The storage driver or the store failed.
    Storage,
    /// The operating system failed.
    Io,
}

/// One failure, with everything that a person needs to mend it in one line.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure of `kind` that `message` describes completely.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// A value that can't be understood.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// The refusal of a flag, by name, with its reason.
    pub fn refused(flag: &str, why: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Refused, format!("{flag}: {why}"))
    }

    /// A failed system call: `what` was attempted, in the infinitive.
    pub fn io(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::new(ErrorKind::Io, what).with_source(source.into())
    }

    /// As [`Error::io`], about one path.
    pub fn io_at(what: &str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::io(format!("can't {what} {}", path.display()), source)
    }

    /// A failure of the store or of its driver.
    pub fn storage(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::new(ErrorKind::Storage, what).with_source(source)
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the other end of a pipe or socket was closed.
    pub(super) fn is_broken_pipe(&self) -> bool {
        self.io_kind() == Some(io::ErrorKind::BrokenPipe)
    }

    /// Whether a file wasn't there.
    pub(super) fn is_not_found(&self) -> bool {
        self.io_kind() == Some(io::ErrorKind::NotFound)
    }

    fn io_kind(&self) -> Option<io::ErrorKind> {
        self.source.as_deref()?.downcast_ref::<io::Error>().map(io::Error::kind)
    }

    /// The exit status of `sapwood run` for this failure: 127 where the
    /// command isn't there, 126 where it can't be invoked, 125 for all else,
    /// as `docker run` has it.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self.kind {
            ErrorKind::CommandNotFound => 127,
            ErrorKind::NotExecutable => 126,
            _ => 125,
        }
    }
}

impl fmt::Display for Error {
    /// The message and all its causes, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.source.as_deref().map(|s| s as &dyn std::error::Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<graphdriver_api::Error> for Error {
    fn from(error: graphdriver_api::Error) -> Self {
        let kind = match error.kind() {
            graphdriver_api::ErrorKind::Busy => ErrorKind::Busy,
            _ => ErrorKind::Storage,
        };
        Self::new(kind, error.report())
    }
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        let kind = match &error {
            crate::Error::NoSuchImage(_) | crate::Error::NotLookedFor { .. } => ErrorKind::NotFound,
            crate::Error::AmbiguousId { .. } => ErrorKind::Ambiguous,
            crate::Error::BadReference { .. } => ErrorKind::Invalid,
            _ => ErrorKind::Storage,
        };
        Self::new(kind, error.report())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_with_its_causes() {
        let e = Error::io_at("open", Path::new("/x"), io::Error::from_raw_os_error(2));
        assert_eq!(e.to_string(), "can't open /x: No such file or directory (os error 2)");
        assert_eq!(e.exit_status(), 125);
    }

    #[test]
    fn exit_statuses_are_dockers() {
        for (kind, status) in [
            (ErrorKind::CommandNotFound, 127),
            (ErrorKind::NotExecutable, 126),
            (ErrorKind::NameInUse, 125),
            (ErrorKind::Refused, 125),
        ] {
            assert_eq!(Error::new(kind, "x").exit_status(), status);
        }
    }
}
