//! `storage tree`: which node stands on which.

use std::collections::BTreeMap;

use clap::Args;
use graphdriver_api::{LayerId, NodeId, NodeInfo};
use serde::Serialize;

use super::list::{kind, short, state};
use crate::failure::Failure;
use crate::open::Storage;
use crate::output::{Format, print, print_json};

/// Options of `storage tree`.
#[derive(Debug, Args)]
pub struct TreeArgs {
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Print whole ids
    #[arg(long)]
    no_trunc: bool,
}

type Children<'a> = BTreeMap<Option<&'a LayerId>, Vec<&'a NodeInfo>>;

/// Shows every node beneath its parent.
pub fn tree(storage: &Storage, args: &TreeArgs) -> Result<(), Failure> {
    let nodes = storage.driver.list()?;
    let children = by_parent(&nodes);
    match args.format {
        Format::Table => print(&text(&children, args.no_trunc)),
        Format::Json => print_json(&rows(&children)),
    }
}

/// A node whose parent isn't in the list (removed meanwhile, or lost) is shown
/// at the top rather than not at all.
fn by_parent(nodes: &[NodeInfo]) -> Children<'_> {
    let layers: std::collections::BTreeSet<_> = nodes.iter().filter_map(layer).collect();
    let mut children = Children::new();
    for node in nodes {
        let parent = node.parent.as_ref().filter(|p| layers.contains(p));
        children.entry(parent).or_default().push(node);
    }
    children
}

fn layer(node: &NodeInfo) -> Option<&LayerId> {
    match &node.id {
        NodeId::Layer(id) => Some(id),
        NodeId::Draft(_) => None,
    }
}

/// A line of the tree: the node, what is drawn before it, and what is drawn
/// before the lines beneath it.
struct Line<'a> {
    node: &'a NodeInfo,
    level: usize,
    lead: String,
    below: String,
}

/// Every node after its parent, depth first, by a stack: a chain may have
/// hundreds of layers.
///
/// An only child stands in its parent's column: two hundred layers in a row
/// would otherwise be two hundred columns wide.
fn lines<'a>(children: &Children<'a>) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    let mut stack = Vec::new();
    push(&mut stack, children, None, |_| (0, String::new(), String::new()));
    while let Some(line) = stack.pop() {
        let Some(id) = layer(line.node) else {
            lines.push(line);
            continue;
        };
        let only = children.get(&Some(id)).is_some_and(|below| below.len() == 1);
        push(&mut stack, children, Some(id), |last| match (only, last) {
            (true, _) => (line.level, format!("{}↳ ", line.below), line.below.clone()),
            (false, false) => {
                (line.level + 1, format!("{}├─ ", line.below), format!("{}│  ", line.below))
            }
            (false, true) => {
                (line.level + 1, format!("{}└─ ", line.below), format!("{}   ", line.below))
            }
        });
        lines.push(line);
    }
    lines
}

/// Puts the children of `parent` (`None`: the nodes at the top) on the stack,
/// so that the first comes off first.
fn push<'a>(
    stack: &mut Vec<Line<'a>>,
    children: &Children<'a>,
    parent: Option<&'a LayerId>,
    drawn: impl Fn(bool) -> (usize, String, String),
) {
    let nodes = children.get(&parent).map_or(&[][..], Vec::as_slice);
    for (i, node) in nodes.iter().rev().enumerate() {
        let (level, lead, below) = drawn(i == 0);
        stack.push(Line { node, level, lead, below });
    }
}

fn text(children: &Children<'_>, whole: bool) -> String {
    let mut text = String::new();
    for line in lines(children) {
        let note = match state(line.node) {
            s if s == "-" => String::new(),
            s => format!(" ({s})"),
        };
        let id = short(line.node.id.as_ref().as_str(), whole);
        text.push_str(&format!("{}{} {id}{note}\n", line.lead, kind(line.node.kind)));
    }
    text
}

#[derive(Serialize)]
struct Row<'a> {
    level: usize,
    #[serde(flatten)]
    node: &'a NodeInfo,
}

fn rows<'a>(children: &Children<'a>) -> Vec<Row<'a>> {
    lines(children).into_iter().map(|l| Row { level: l.level, node: l.node }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use graphdriver_api::{DraftId, MountState, NodeKind};

    use super::*;

    fn node(id: NodeId, parent: Option<&str>) -> NodeInfo {
        NodeInfo {
            kind: if matches!(id, NodeId::Draft(_)) { NodeKind::Draft } else { NodeKind::Layer },
            id,
            parent: parent.map(|p| LayerId::new(p).unwrap()),
            depth: 0,
            created: SystemTime::UNIX_EPOCH,
            mount: MountState::Unmounted,
            unpacking: false,
            lender: None,
        }
    }

    #[test]
    fn chains_stay_in_their_column_and_branches_are_drawn() {
        let l = |id: &str, parent| node(NodeId::Layer(LayerId::new(id).unwrap()), parent);
        let d = |id: &str, parent| node(NodeId::Draft(DraftId::new(id).unwrap()), parent);
        let nodes = [
            d("c1", Some("l2")),
            d("scratch", None),
            l("base", None),
            l("l1", Some("base")),
            l("l2", Some("l1")),
            l("l3", Some("l2")),
            l("l4", Some("l3")),
            l("orphan", Some("lost")),
        ];
        let expected = "\
draft scratch
layer base
↳ layer l1
↳ layer l2
├─ draft c1
└─ layer l3
   ↳ layer l4
layer orphan
";
        assert_eq!(text(&by_parent(&nodes), false), expected);
    }
}
