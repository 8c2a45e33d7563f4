//! `history`.

use std::time::SystemTime;

use clap::Args;
use sapwood_engine::Engine;
use sapwood_engine::image::{Image, Step};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Format, Table, human_size, print, print_json};
use crate::time::ago;

/// Letters of a command that a table shows.
const COMMAND: usize = 45;

/// What stands for the id of a step that has none: only the last step's image
/// is known.
const MISSING: &str = "<missing>";

/// Options of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Name, id or beginning of an id
    image: String,
    /// Print whole ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Print ids only
    #[arg(long, short)]
    quiet: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    #[serde(rename = "ID")]
    id: String,
    created: String,
    created_by: String,
    size: u64,
    comment: String,
    #[serde(skip)]
    created_at: Option<SystemTime>,
}

/// Lists the steps, the last one first.
pub fn history(engine: &Engine, args: &HistoryArgs) -> Result<(), Failure> {
    let (image, steps) = engine.history(&args.image)?;
    let rows = rows(&image, steps, args.no_trunc);
    if args.quiet {
        return print(&rows.iter().map(|row| format!("{}\n", row.id)).collect::<String>());
    }
    match args.format {
        Format::Json => print_json(&rows),
        Format::Table => print(&table(&rows, args.no_trunc)),
    }
}

fn rows(image: &Image, steps: Vec<Step>, whole: bool) -> Vec<Row> {
    let id = if whole { image.id.to_string() } else { image.id.short().to_owned() };
    let ids = std::iter::once(id).chain(std::iter::repeat(MISSING.to_owned()));
    steps
        .into_iter()
        .zip(ids)
        .map(|(step, id)| Row {
            id,
            created_at: step.entry.created(),
            created: step.entry.created,
            created_by: step.entry.created_by,
            size: step.size,
            comment: step.entry.comment,
        })
        .collect()
}

fn table(rows: &[Row], whole: bool) -> String {
    let now = SystemTime::now();
    let mut table = Table::new(["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]);
    for row in rows {
        table.row([
            row.id.clone(),
            row.created_at.map_or_else(|| "N/A".to_owned(), |at| ago(at, now)),
            one_line(&row.created_by, whole),
            human_size(row.size),
            one_line(&row.comment, true),
        ]);
    }
    table.render()
}

/// Blanks of every kind become one; what is too long ends in dots.
fn one_line(text: &str, whole: bool) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if whole || text.chars().count() <= COMMAND {
        return text;
    }
    text.chars().take(COMMAND - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_cut_by_letters_and_never_break_a_line() {
        assert_eq!(one_line("a\n  b\tc", false), "a b c");
        assert_eq!(one_line(&"é".repeat(45), false), "é".repeat(45));
        assert_eq!(one_line(&"é".repeat(46), false), format!("{}…", "é".repeat(44)));
        assert_eq!(one_line(&"x".repeat(99), true), "x".repeat(99));
    }
}
