//! `storage gc`.

use clap::Args;
use sapwood_engine::Engine;
use sapwood_engine::care::Garbage;
use sapwood_engine::container::Containers;

use crate::failure::Failure;
use crate::open::Storage;
use crate::output::{Format, human_size, print, print_json};
use crate::settings::Settings;

/// Options of `storage gc`.
#[derive(Debug, Args)]
#[command(after_help = "\
Takes away layers that no image and no container stands on, what commands left
that were cut off, and removed files that are still there. Images and containers
stay; `sapwood system prune` removes those.")]
pub struct GcArgs {
    /// Only tell what would be taken away
    #[arg(long)]
    dry_run: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Takes away what nothing needs.
pub fn gc(settings: &Settings, args: &GcArgs) -> Result<(), Failure> {
    let engine = Storage::open(settings)?.engine()?;
    let gone = match args.dry_run {
        true => engine.garbage()?,
        false => collect(&engine, settings)?,
    };
    match args.format {
        Format::Json => print_json(&gone),
        Format::Table => print(&text(&gone, args.dry_run)),
    }
}

fn collect(engine: &Engine, settings: &Settings) -> Result<Garbage, Failure> {
    Containers::open(engine, &settings.runroot)
        .and_then(|containers| containers.recover())
        .map_err(|e| Failure::new(e.to_string()))?;
    engine.gc()?.ok_or_else(|| {
        let why = "another command is making layers, and takes away what it leaves when it ends";
        Failure::new(format!("{why}; try again then"))
    })
}

fn text(gone: &Garbage, dry_run: bool) -> String {
    let mut text = String::new();
    let verb = if dry_run { "would remove" } else { "removed" };
    for node in &gone.nodes {
        text.push_str(&format!("{verb} {} {} ({})\n", node.kind, node.id, human_size(node.bytes)));
    }
    let bytes = gone.nodes.iter().map(|n| n.bytes).sum();
    text.push_str(&format!("Total reclaimed space: {}\n", human_size(bytes)));
    text
}
