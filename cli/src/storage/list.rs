//! `storage ls` and `storage usage`.

use std::time::SystemTime;

use clap::Args;
use graphdriver_api::{MountState, NodeInfo, NodeKind, Usage};
use serde::Serialize;

use super::select;
use crate::failure::Failure;
use crate::open::Storage;
use crate::output::{Format, Table, human_size, print, print_json};
use crate::time::ago;

/// Options of `storage ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Print whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Print ids only
    #[arg(long, short)]
    quiet: bool,
}

/// Options of `storage usage`.
#[derive(Debug, Args)]
pub struct UsageArgs {
    #[arg(help = select::NODE_HELP, value_name = "NODE")]
    nodes: Vec<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Print whole ids
    #[arg(long)]
    no_trunc: bool,
}

/// Lists every node.
pub fn ls(storage: &Storage, args: &LsArgs) -> Result<(), Failure> {
    let nodes = storage.driver.list()?;
    if args.quiet {
        return print(
            &nodes.iter().map(|n| format!("{}\n", n.id.as_ref().as_str())).collect::<String>(),
        );
    }
    match args.format {
        Format::Json => print_json(&nodes),
        Format::Table => print(&nodes_table(&nodes, args.no_trunc).render()),
    }
}

fn nodes_table(nodes: &[NodeInfo], whole: bool) -> Table {
    let now = SystemTime::now();
    let mut table = Table::new(["KIND", "ID", "PARENT", "DEPTH", "CREATED", "STATE"]);
    for node in nodes {
        table.row([
            kind(node.kind).into(),
            short(node.id.as_ref().as_str(), whole),
            node.parent.as_ref().map_or_else(|| "-".into(), |p| short(p.as_str(), whole)),
            node.depth.to_string(),
            ago(node.created, now),
            state(node),
        ]);
    }
    table
}

/// The word for a kind of node.
pub fn kind(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Draft => "draft",
        NodeKind::View => "view",
        NodeKind::Layer => "layer",
    }
}

/// What else there is to say of a node: mounted where, half unpacked, borrowed.
pub fn state(node: &NodeInfo) -> String {
    if let Some(lender) = &node.lender {
        return format!("lies in {}", lender.display());
    }
    match (&node.mount, node.unpacking) {
        (_, true) => "half unpacked".into(),
        (MountState::Unmounted, false) => "-".into(),
        (MountState::Held, false) => "mounted".into(),
        (MountState::Persisted(ticket), false) => format!("mounted on {}", ticket.path.display()),
    }
}

/// Ids cut to twelve characters, as docker(1) does.
pub fn short(id: &str, whole: bool) -> String {
    if whole { id.into() } else { id.chars().take(12).collect() }
}

#[derive(Serialize)]
struct UsageRow {
    kind: NodeKind,
    id: String,
    #[serde(flatten)]
    usage: Usage,
}

/// Shows what nodes hold by themselves, all of them if none is named.
pub fn usage(storage: &Storage, args: &UsageArgs) -> Result<(), Failure> {
    let nodes = match args.nodes.as_slice() {
        [] => storage.driver.list()?,
        named => named
            .iter()
            .map(|text| select::node(&*storage.driver, text))
            .collect::<Result<_, _>>()?,
    };
    let mut rows = Vec::new();
    for node in nodes {
        let usage = storage.driver.usage(node.id.as_ref())?;
        rows.push(UsageRow { kind: node.kind, id: node.id.as_ref().as_str().into(), usage });
    }
    match args.format {
        Format::Json => print_json(&rows),
        Format::Table => print(&usage_table(&rows, args.no_trunc).render()),
    }
}

fn usage_table(rows: &[UsageRow], whole: bool) -> Table {
    let mut table = Table::new(["KIND", "ID", "SIZE", "INODES"]);
    let mut total = Usage::default();
    for row in rows {
        total.bytes += row.usage.bytes;
        total.inodes += row.usage.inodes;
        table.row([
            kind(row.kind).into(),
            short(&row.id, whole),
            human_size(row.usage.bytes),
            row.usage.inodes.to_string(),
        ]);
    }
    table.row(["total".into(), "-".into(), human_size(total.bytes), total.inodes.to_string()]);
    table
}
