//! The record of a node: the little that has to be known without looking into
//! its tree. Written once, when the node is made, and never changed after.
//!
//! A draft's directory has `draft.json`. Committing adds `layer.json` before
//! the directory moves, so that a commit which is cut off leaves the draft as
//! it was; where a node's directory stands says which of the two counts.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::SystemTime;

use graphdriver_api::{LayerId, NodeId, NodeKind, NodeRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::disk;

/// What the store keeps of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Draft, view or layer.
    pub kind: Kind,
    /// The layer beneath it.
    pub parent: Option<LayerId>,
    /// Its parent comes with the commit ([`Base::Deferred`](graphdriver_api::Base)).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deferred: bool,
    /// As [`NodeInfo::depth`](graphdriver_api::NodeInfo::depth).
    pub depth: u32,
    /// The root in which its tree lies, if that isn't this one
    /// ([`NodeInfo::lender`](graphdriver_api::NodeInfo::lender)). In a draft's
    /// record: that of the borrowed layer whose locks are on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lender: Option<PathBuf>,
    /// When it was made or committed.
    pub created: SystemTime,
    /// What the driver keeps for itself.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub private: Value,
}

/// The kind of a node as its record spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Can be written to and committed.
    Draft,
    /// Read-only.
    View,
    /// Never changes.
    Layer,
}

impl From<Kind> for NodeKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Draft => Self::Draft,
            Kind::View => Self::View,
            Kind::Layer => Self::Layer,
        }
    }
}

/// The name of the record of a node of that kind of id.
pub(crate) fn file_name(node: NodeRef<'_>) -> &'static str {
    match node {
        NodeRef::Draft(_) => "draft.json",
        NodeRef::Layer(_) => LAYER,
    }
}

/// The record of a layer; in a draft's directory, one that doesn't count yet.
pub(crate) const LAYER: &str = "layer.json";

/// The file whose bytes are the node's locks: of a layer too the record that
/// it had as a draft, so that who reads a draft's tree while it is committed is
/// still seen to read the layer's.
pub(crate) const LOCKED: &str = "draft.json";

impl Record {
    /// Whether the node has a tree of its own, here.
    #[must_use]
    pub fn has_tree(&self) -> bool {
        self.kind != Kind::View && self.lender.is_none()
    }

    /// The clock's time, but never before 1970: a host without a clock starts
    /// there, and JSON has no form for earlier.
    pub(crate) fn now() -> SystemTime {
        SystemTime::now().max(SystemTime::UNIX_EPOCH)
    }

    /// Reads and checks the record of `node`; the words say what is wrong.
    pub(crate) fn parse(node: NodeRef<'_>, bytes: &[u8]) -> Result<Self, String> {
        Self::parse_as(matches!(node, NodeRef::Layer(_)), bytes)
    }

    /// The same of whatever draft.
    pub(crate) fn parse_draft(bytes: &[u8]) -> Result<Self, String> {
        Self::parse_as(false, bytes)
    }

    fn parse_as(is_layer: bool, bytes: &[u8]) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        match record.contradiction(is_layer) {
            Some(what) => Err(what.to_owned()),
            None => Ok(record),
        }
    }

    fn contradiction(&self, is_layer: bool) -> Option<&'static str> {
        if is_layer != (self.kind == Kind::Layer) {
            return Some("it is the record of another kind of node");
        }
        let beneath = self.depth.checked_sub(u32::from(is_layer));
        match (&self.parent, beneath) {
            (_, None) => Some("a layer's chain holds itself"),
            (None, Some(1..)) => Some("it has a depth but no parent"),
            (Some(_), Some(0)) => Some("it has a parent but no depth"),
            _ => None,
        }
    }

    /// Writes the record into a node's directory. Visible at once, so only for
    /// a directory whose record of that kind doesn't count yet.
    pub(crate) fn write(
        &self,
        dir: BorrowedFd<'_>,
        node: NodeRef<'_>,
        flush: bool,
    ) -> io::Result<()> {
        let bytes = serde_json::to_vec(self)?;
        disk::write_file(dir, file_name(node), &bytes, flush)
    }

    /// How the layer `id` made of this draft would be recorded.
    pub(crate) fn committed(&self, parent: Option<(LayerId, u32)>, private: Value) -> Self {
        let (parent, beneath) = match parent {
            Some((id, depth)) => (Some(id), depth),
            None => (None, 0),
        };
        Self {
            kind: Kind::Layer,
            parent,
            deferred: false,
            depth: beneath.saturating_add(1),
            lender: None,
            created: Self::now(),
            private,
        }
    }
}

/// The name of a node's link in its parent's directory of children.
pub(crate) fn link_name(child: NodeRef<'_>) -> String {
    match child {
        NodeRef::Draft(id) => format!("draft.{id}"),
        NodeRef::Layer(id) => format!("layer.{id}"),
    }
}

/// The node that a link stands for; `None` if we didn't make it.
pub(crate) fn linked_node(name: &std::ffi::OsStr) -> Option<NodeId> {
    let (kind, id) = name.to_str()?.split_once('.')?;
    match kind {
        "draft" => Some(NodeId::Draft(id.parse().ok()?)),
        "layer" => Some(NodeId::Layer(id.parse().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphdriver_api::DraftId;

    #[test]
    fn a_record_that_contradicts_itself_is_refused() {
        let (draft, layer) = (DraftId::new("d").unwrap(), LayerId::new("l").unwrap());
        let stamp = r#""created":{"secs_since_epoch":1,"nanos_since_epoch":2}"#;
        let rows = [
            (NodeRef::from(&draft), r#""kind":"draft","parent":null,"depth":0"#, true),
            (NodeRef::from(&draft), r#""kind":"view","parent":"l","depth":1"#, true),
            (NodeRef::from(&layer), r#""kind":"layer","parent":null,"depth":1"#, true),
            (NodeRef::from(&layer), r#""kind":"layer","parent":null,"depth":0"#, false),
            (NodeRef::from(&layer), r#""kind":"layer","parent":"l","depth":1"#, false),
            (NodeRef::from(&layer), r#""kind":"draft","parent":null,"depth":0"#, false),
            (NodeRef::from(&draft), r#""kind":"layer","parent":null,"depth":1"#, false),
            (NodeRef::from(&draft), r#""kind":"draft","parent":"l","depth":0"#, false),
            (NodeRef::from(&draft), r#""kind":"draft","parent":"../l","depth":1"#, false),
        ];
        for (node, fields, good) in rows {
            let text = format!("{{{fields},{stamp}}}");
            assert_eq!(Record::parse(node, text.as_bytes()).is_ok(), good, "{text}");
        }
        assert!(Record::parse((&draft).into(), b"").is_err());
    }

    #[test]
    fn links_name_their_nodes() {
        for node in [
            NodeId::Draft(DraftId::new("a.b").unwrap()),
            NodeId::Layer(LayerId::new("draft.x").unwrap()),
        ] {
            assert_eq!(linked_node(link_name(node.as_ref()).as_ref()), Some(node));
        }
        assert_eq!(linked_node("stray".as_ref()), None);
    }
}
