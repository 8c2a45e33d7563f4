//! `images`.

use std::time::SystemTime;

use clap::Args;
use sapwood_engine::Engine;
use sapwood_engine::image::{Filter, Image, NamePattern};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Format, Table, human_size, print, print_json};
use crate::time::ago;

/// What stands where there is no name.
const NONE: &str = "<none>";

/// Options of `images`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sapwood images
  sapwood images 'busybox:1.*'
  sapwood images --filter dangling=true -q | xargs sapwood rmi")]
pub struct ImagesArgs {
    /// Only images with a name that matches; `*` and `?` stand for letters
    #[arg(value_name = "NAME[:TAG]")]
    reference: Option<NamePattern>,
    /// Show images between others too; here every image is shown anyway
    #[arg(long, short)]
    all: bool,
    /// Print ids only
    #[arg(long, short)]
    quiet: bool,
    /// Print whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Show the digests of manifests
    #[arg(long)]
    digests: bool,
    /// Only images that fit, repeatable: reference=PATTERN, dangling=BOOL,
    /// label=KEY[=VALUE]
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<Filter>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One name of one image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    #[serde(rename = "ID")]
    id: String,
    repository: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
    created: String,
    size: u64,
    /// It is in an additional store only.
    read_only: bool,
    #[serde(skip)]
    created_at: Option<SystemTime>,
}

/// Lists images, a line for each name.
pub fn images(engine: &Engine, args: &ImagesArgs) -> Result<(), Failure> {
    let rows = rows(&engine.images()?, args);
    if args.quiet {
        return print(&ids(&rows));
    }
    match args.format {
        Format::Json => print_json(&rows),
        Format::Table => {
            let columns =
                Columns { digest: args.digests, read_only: !engine.additional().is_empty() };
            print(&table(&rows, columns))
        }
    }
}

fn rows(images: &[Image], args: &ImagesArgs) -> Vec<Row> {
    let accepted = |image: &&Image| args.filter.iter().all(|f| f.accepts(image));
    images.iter().filter(accepted).flat_map(|image| image_rows(image, args)).collect()
}

/// With a pattern, only the names that match it.
fn image_rows(image: &Image, args: &ImagesArgs) -> Vec<Row> {
    let id = if args.no_trunc { image.id.to_string() } else { image.id.short().to_owned() };
    let row = |repository: Option<&str>, tag: Option<&str>, digest| Row {
        id: id.clone(),
        repository: repository.map(str::to_owned),
        tag: tag.map(str::to_owned),
        digest,
        created: image.config.fields().created.clone(),
        created_at: image.config.created(),
        size: image.size,
        read_only: image.store.is_some(),
    };
    let names = image.names.iter().filter(|n| args.reference.as_ref().is_none_or(|p| p.matches(n)));
    let named: Vec<Row> = names
        .map(|name| {
            let digest = image.repo_digests.iter().find(|(r, _)| *r == name.repository);
            let digest = digest.map(|(_, d)| d.clone());
            row(Some(name.repository.familiar()), Some(&name.tag), digest)
        })
        .collect();
    if named.is_empty() && image.names.is_empty() && args.reference.is_none() {
        return vec![row(None, None, None)];
    }
    named
}

fn ids(rows: &[Row]) -> String {
    let mut seen = std::collections::HashSet::new();
    rows.iter().filter(|r| seen.insert(&r.id)).map(|r| format!("{}\n", r.id)).collect()
}

/// Columns that aren't always shown.
#[derive(Debug, Clone, Copy)]
struct Columns {
    digest: bool,
    /// Only where there are additional stores.
    read_only: bool,
}

impl Columns {
    /// Those of a row that are to be shown, in order.
    fn shown<const N: usize>(self, cells: [(Column, String); N]) -> Vec<String> {
        let wanted = |column: Column| match column {
            Column::Always => true,
            Column::Digest => self.digest,
            Column::ReadOnly => self.read_only,
        };
        cells.into_iter().filter(|(column, _)| wanted(*column)).map(|(_, cell)| cell).collect()
    }
}

#[derive(Debug, Clone, Copy)]
enum Column {
    Always,
    Digest,
    ReadOnly,
}

fn table(rows: &[Row], columns: Columns) -> String {
    let now = SystemTime::now();
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| NONE.to_owned());
    let created = |row: &Row| row.created_at.map_or_else(|| "N/A".to_owned(), |at| ago(at, now));
    let mut table = Table::of(columns.shown([
        (Column::Always, "REPOSITORY".to_owned()),
        (Column::Always, "TAG".to_owned()),
        (Column::Digest, "DIGEST".to_owned()),
        (Column::Always, "IMAGE ID".to_owned()),
        (Column::Always, "CREATED".to_owned()),
        (Column::Always, "SIZE".to_owned()),
        (Column::ReadOnly, "R/O".to_owned()),
    ]));
    for row in rows {
        table.push(columns.shown([
            (Column::Always, or_none(&row.repository)),
            (Column::Always, or_none(&row.tag)),
            (Column::Digest, or_none(&row.digest)),
            (Column::Always, row.id.clone()),
            (Column::Always, created(row)),
            (Column::Always, human_size(row.size)),
            (Column::ReadOnly, row.read_only.to_string()),
        ]));
    }
    table.render()
}
