//! The one error of the contract. A kind tells the caller what to do; the rest
//! tells a person what happened, where, and how to mend it.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::id::{NodeId, NodeRef};

/// The result of every fallible call in the contract.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller's next step depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The node isn't there. *Do:* treat it as absent; nothing was changed.
    NotFound,
    /// The id is taken. *Do:* use what is there, or choose another id.
    AlreadyExists,
    /// The request itself is wrong whatever the state. *Do:* mend the call.
    InvalidArgument,
    /// The node is there, but not in a state for this call (committing a
    /// view, committing a draft whose unpacking failed). *Do:* take another
    /// route; the same call will fail again.
    WrongState,
    /// The layer still has children. *Do:* remove them first.
    HasChildren,
    /// Mounted, or in use by another caller. *Do:* unmount or try later.
    Busy,
    /// This driver, here, can't do that at all. *Do:* do without, or choose
    /// another driver. A request is refused like this, never weakened.
    Unsupported,
    /// The host lacks something (a kernel feature, a privilege, a program).
    /// *Do:* install or enable what the message names.
    Prerequisite,
    /// The node's own limit is reached. *Do:* raise it or delete something.
    QuotaExceeded,
    /// The medium is full. *Do:* free space; the store is as it was.
    NoSpace,
    /// The layer archive is damaged or hostile. *Do:* get another; the draft
    /// can only be removed.
    BadDiff,
    /// The diff refers to something beneath it, and the draft's parent comes
    /// only at commit. *Do:* remove the draft, prepare it on its parent, and
    /// apply again.
    NeedsParent,
    /// The store on disk contradicts itself. *Do:* check and repair it; no
    /// call makes it worse.
    Corrupt,
    /// The operating system failed in a way that fits no other kind. *Do:*
    /// look at the source; the node's state is as the method documents it.
    Io,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::InvalidArgument => "invalid argument",
            Self::WrongState => "wrong state",
            Self::HasChildren => "has children",
            Self::Busy => "busy",
            Self::Unsupported => "unsupported",
            Self::Prerequisite => "missing prerequisite",
            Self::QuotaExceeded => "quota exceeded",
            Self::NoSpace => "no space left",
            Self::BadDiff => "bad layer archive",
            Self::NeedsParent => "needs its parent layer",
            Self::Corrupt => "store is damaged",
            Self::Io => "input/output error",
        })
    }
}

impl From<io::ErrorKind> for ErrorKind {
    /// What an error of the operating system means where no more is known.
    ///
    /// `NotFound`, `AlreadyExists` and `InvalidInput` become [`ErrorKind::Io`]
    /// on purpose: that a *file* is missing doesn't say that the *node* is. A
    /// driver that knows it says so itself.
    fn from(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::StorageFull => Self::NoSpace,
            io::ErrorKind::QuotaExceeded => Self::QuotaExceeded,
            io::ErrorKind::ResourceBusy => Self::Busy,
            io::ErrorKind::Unsupported => Self::Unsupported,
            _ => Self::Io,
        }
    }
}

/// The operation during which an error came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
#[allow(missing_docs)] // The names are those of the methods.
pub enum Op {
    Probe,
    Open,
    Status,
    Prepare,
    View,
    Commit,
    Remove,
    Reclaim,
    Stat,
    List,
    Usage,
    Plan,
    Mount,
    Unmount,
    Persist,
    Adopt,
    Apply,
    Changes,
    Diff,
    Quota,
    Check,
    Repair,
    Borrow,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Probe => "probe",
            Self::Open => "open",
            Self::Status => "status",
            Self::Prepare => "prepare",
            Self::View => "view",
            Self::Commit => "commit",
            Self::Remove => "remove",
            Self::Reclaim => "reclaim",
            Self::Stat => "stat",
            Self::List => "list",
            Self::Usage => "usage",
            Self::Plan => "mount plan",
            Self::Mount => "mount",
            Self::Unmount => "unmount",
            Self::Persist => "persist",
            Self::Adopt => "adopt",
            Self::Apply => "apply",
            Self::Changes => "changes",
            Self::Diff => "diff",
            Self::Quota => "quota",
            Self::Check => "check",
            Self::Repair => "repair",
            Self::Borrow => "borrow",
        })
    }
}

/// An error of a driver.
///
/// One pointer wide, because nearly every result of the contract carries it.
/// `Display` is one line without the source; [`Error::report`] is one line
/// with every source.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    op: Op,
    driver: Option<&'static str>,
    node: Option<NodeId>,
    path: Option<PathBuf>,
    message: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with a message for a person: what was wrong and what to do.
    /// An empty message stands for the kind's own words.
    #[must_use]
    pub fn new(kind: ErrorKind, op: Op, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            op,
            driver: None,
            node: None,
            path: None,
            message: message.into(),
            source: None,
        }))
    }

    /// An error of the operating system; its kind follows from
    /// [`ErrorKind::from`]. `message` says what was being done, with a verb
    /// ("write the node's record").
    #[must_use]
    pub fn io(op: Op, message: impl Into<Cow<'static, str>>, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        Self::new(source.kind().into(), op, message).with_source(source)
    }

    /// The same error of another kind, for who knows better what it means.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same error as part of another operation: what a caller asked for
    /// rather than the step that failed inside it.
    #[must_use]
    pub fn with_op(mut self, op: Op) -> Self {
        self.0.op = op;
        self
    }

    /// Names the driver.
    #[must_use]
    pub fn with_driver(mut self, name: &'static str) -> Self {
        self.0.driver = Some(name);
        self
    }

    /// Names the node, unless a deeper call has already named one.
    #[must_use]
    pub fn with_node<'a>(mut self, node: impl Into<NodeRef<'a>>) -> Self {
        let node = node.into();
        self.0.node.get_or_insert_with(|| node.to_owned());
        self
    }

    /// Names the file, unless a deeper call has already named one.
    #[must_use]
    pub fn with_path(mut self, path: impl AsRef<Path>) -> Self {
        self.0.path.get_or_insert_with(|| path.as_ref().to_owned());
        self
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the caller's next step depends on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed.
    #[must_use]
    pub fn op(&self) -> Op {
        self.0.op
    }

    /// The node it is about, where there is one.
    #[must_use]
    pub fn node(&self) -> Option<&NodeId> {
        self.0.node.as_ref()
    }

    /// The file it is about, where there is one. Relative paths are within
    /// the node's tree, absolute ones on the host.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The operating system's error at the bottom, where there is one.
    #[must_use]
    pub fn io_source(&self) -> Option<&io::Error> {
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return Some(io);
            }
            next = error.source();
        }
        None
    }

    /// One line with the error and all its sources.
    #[must_use]
    pub fn report(&self) -> String {
        let mut line = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            line.push_str(": ");
            line.push_str(&error.to_string());
            next = error.source();
        }
        line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = &self.0;
        if let Some(driver) = e.driver {
            write!(f, "{driver}: ")?;
        }
        write!(f, "{}", e.op)?;
        if let Some(node) = &e.node {
            write!(f, " {node}")?;
        }
        match e.message.as_ref() {
            "" => write!(f, ": {}", e.kind)?,
            message => write!(f, ": {message}")?,
        }
        match &e.path {
            Some(path) => write!(f, " ({path:?})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:?}] {}", self.0.kind, self.report())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::LayerId;

    #[test]
    fn the_report_is_one_line_with_every_source() {
        let layer = LayerId::new("base").unwrap();
        let error = Error::io(Op::Commit, "flush the layer", io::Error::from_raw_os_error(28))
            .with_driver("overlay2")
            .with_node(&layer)
            .with_path("usr/bin");
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert_eq!(
            error.report(),
            "overlay2: commit layer base: flush the layer (\"usr/bin\"): \
             No space left on device (os error 28)"
        );
        assert_eq!(error.io_source().and_then(io::Error::raw_os_error), Some(28));
    }

    #[test]
    fn the_innermost_node_and_path_win() {
        let (inner, outer) = (LayerId::new("in").unwrap(), LayerId::new("out").unwrap());
        let error = Error::new(ErrorKind::Busy, Op::Remove, "")
            .with_node(&inner)
            .with_node(&outer)
            .with_path("a")
            .with_path("b");
        assert_eq!(error.to_string(), "remove layer in: busy (\"a\")");
    }

    #[test]
    fn a_missing_file_is_not_a_missing_node() {
        let error =
            Error::io(Op::Stat, "read the record", io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}
