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

/// Depth first, by a stack: a chain may have hundreds of layers.
fn walk<'a>(children: &Children<'a>, mut visit: impl FnMut(&'a NodeInfo, usize, bool)) {
    let roots = children.get(&None).map_or(&[][..], Vec::as_slice);
    let mut stack: Vec<_> = roots.iter().rev().map(|n| (*n, 0, false)).collect();
    if let Some(last) = stack.first_mut() {
        last.2 = true;
    }
    while let Some((node, level, last)) = stack.pop() {
        visit(node, level, last);
        let Some(below) = layer(node).and_then(|id| children.get(&Some(id))) else { continue };
        // A chain of single children stays at one level, as in `git log --graph`:
        // two hundred layers would otherwise be two hundred columns wide.
        let level = if below.len() == 1 { level } else { level + 1 };
        stack.extend(below.iter().rev().enumerate().map(|(i, n)| (*n, level, i == 0)));
    }
}

fn text(children: &Children<'_>, whole: bool) -> String {
    let mut text = String::new();
    walk(children, |node, level, last| {
        let branch = if last { "└─ " } else { "├─ " };
        let note = match state(node) {
            s if s == "-" => String::new(),
            s => format!(" ({s})"),
        };
        let line = format!(
            "{}{branch}{} {}{note}\n",
            "   ".repeat(level),
            kind(node.kind),
            short(node.id.as_ref().as_str(), whole),
        );
        text.push_str(&line);
    });
    text
}

#[derive(Serialize)]
struct Row<'a> {
    level: usize,
    #[serde(flatten)]
    node: &'a NodeInfo,
}

fn rows<'a>(children: &Children<'a>) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    walk(children, |node, level, _| rows.push(Row { level, node }));
    rows
}
