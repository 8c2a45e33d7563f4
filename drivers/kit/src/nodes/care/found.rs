//! A finding together with what puts it right.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use graphdriver_api::{DraftId, Finding, LayerId, NodeId, NodeRef, Remedy, Severity};

use super::super::record::Record;

/// A finding, and how to act on it.
#[derive(Debug)]
pub struct Found {
    /// What is told.
    pub finding: Finding,
    /// What repairing does.
    pub action: Action,
}

/// What puts a finding right.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Write the root's `format`.
    WriteFormat,
    /// Make the store's directories.
    MakeDirs,
    /// Give the directory at the finding's path back to the root's owner.
    Own,
    /// Move what lies at the finding's path to the quarantine.
    SetAside,
    /// Write this record.
    WriteRecord(NodeId, Box<Record>),
    /// Write the file that a layer's locks are on.
    WriteLock(LayerId, Box<Record>),
    /// Link a child to its parent.
    Link(LayerId, NodeId),
    /// Move a draft to the trash.
    Discard(DraftId),
    /// Delete a ticket.
    DeleteTicket(DraftId),
    /// Open the store, which recovers.
    Open,
    /// Delete what lies in the trash.
    Reclaim,
    /// Nothing can be done.
    Nothing,
}

/// What a driver keeps in its nodes, looked at by the driver itself.
pub trait Own: Send + Sync + fmt::Debug {
    /// Looks at what the driver keeps in one node's directory, whose record
    /// can be read. Paths are relative to that directory. Files in the tree
    /// are not looked at.
    ///
    /// # Errors
    /// Of the file system.
    fn node(
        &self,
        node: NodeRef<'_>,
        dir: BorrowedFd<'_>,
        record: &Record,
    ) -> io::Result<Vec<Found>>;

    /// Looks at what it keeps beside the nodes; by default that is nothing.
    ///
    /// # Errors
    /// Of the file system.
    fn root(&self, _root: BorrowedFd<'_>) -> io::Result<Vec<Found>> {
        Ok(Vec::new())
    }
}

impl Found {
    /// Something that a crash leaves.
    #[must_use]
    pub fn leftover(code: &'static str, path: impl Into<PathBuf>, what: String) -> Self {
        let repair = "take it away, as the next opening does";
        Self::new(code, Severity::Leftover, path, what).by(Action::Open, Remedy::Mend, repair)
    }

    /// Something that can be put right.
    #[must_use]
    pub fn wrong(code: &'static str, path: impl Into<PathBuf>, what: String) -> Self {
        Self::new(code, Severity::Wrong, path, what)
    }

    /// Something that is gone.
    #[must_use]
    pub fn lost(code: &'static str, path: impl Into<PathBuf>, what: String) -> Self {
        Self::new(code, Severity::Lost, path, what)
    }

    fn new(code: &'static str, severity: Severity, path: impl Into<PathBuf>, what: String) -> Self {
        let finding = Finding {
            code: code.into(),
            severity,
            node: None,
            path: path.into(),
            what,
            remedy: Remedy::Nothing,
            repair: "nothing: it can't be put right from what is here".into(),
        };
        Self { finding, action: Action::Nothing }
    }

    /// What repairing does, in the infinitive.
    #[must_use]
    pub fn mend(self, action: Action, repair: &'static str) -> Self {
        self.by(action, Remedy::Mend, repair)
    }

    /// Repairing moves it to the quarantine.
    #[must_use]
    pub fn set_aside(self) -> Self {
        self.by(Action::SetAside, Remedy::SetAside, "move it to the quarantine")
    }

    fn by(mut self, action: Action, remedy: Remedy, repair: &'static str) -> Self {
        self.action = action;
        self.finding.remedy = remedy;
        self.finding.repair = repair.into();
        self
    }

    /// What would help where nothing here does.
    #[must_use]
    pub fn advise(mut self, repair: &'static str) -> Self {
        self.finding.repair = repair.into();
        self
    }

    /// The node that it is about.
    #[must_use]
    pub fn of<'a>(mut self, node: impl Into<NodeRef<'a>>) -> Self {
        self.finding.node = Some(node.into().to_owned());
        self
    }
}
