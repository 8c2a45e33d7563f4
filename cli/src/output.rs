//! Tables for people, JSON for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::failure::Failure;

// No documentation of single values: with it, every --help would take a
// paragraph for each option.
/// How a listing is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Json,
}

/// Aligned columns in the manner of docker(1): a header in capitals, three
/// spaces between columns, no lines, nothing cut off.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column headers.
    #[must_use]
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        Self::of(header.map(str::to_owned).to_vec())
    }

    /// The same for columns that aren't always the same.
    #[must_use]
    pub fn of(header: Vec<String>) -> Self {
        Self { rows: vec![header] }
    }

    /// Adds a row with as many cells as the header has.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.push(Vec::from(cells));
    }

    /// The same of a table [of](Self::of) such columns.
    pub fn push(&mut self, cells: Vec<String>) {
        debug_assert_eq!(Some(cells.len()), self.rows.first().map(Vec::len));
        self.rows.push(cells);
    }

    /// The table as text, one line a row, without blanks at line ends.
    #[must_use]
    pub fn render(&self) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width + 3 - cell.chars().count()));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.first().map_or(0, Vec::len);
        (0..columns)
            .map(|i| {
                self.rows
                    .iter()
                    .filter_map(|r| r.get(i))
                    .map(|c| c.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect()
    }
}

/// Prints `text` to standard output.
///
/// # Errors
/// A closed pipe and a full disk: a listing that was cut short isn't success.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| Failure::new(format!("can't write to standard output: {e}")))
}

/// Prints `value` as indented JSON with a line end.
///
/// # Errors
/// As [`print()`].
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|e| Failure::new(format!("can't write this as JSON: {e}")))?;
    text.push('\n');
    print(&text)
}

/// A size as docker(1) shows it: decimal units, four significant digits at most.
#[must_use]
pub fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    #[allow(clippy::cast_precision_loss)] // Four digits are shown.
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = match value {
        v if unit == 0 || v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_blanks() {
        let mut table = Table::new(["ID", "NAME"]);
        table.row(["abc".into(), "x".into()]);
        table.row(["é".into(), "longer".into()]);
        assert_eq!(table.render(), "ID    NAME\nabc   x\né     longer\n");
    }

    #[test]
    fn sizes_are_decimal() {
        let rows = [
            (0, "0B"),
            (999, "999B"),
            (1000, "1.00kB"),
            (4_240_000, "4.24MB"),
            (77_800_000, "77.8MB"),
            (475_000_000, "475MB"),
            (999_960_000, "1.00GB"),
            (u64::MAX, "18447PB"),
        ];
        for (bytes, text) in rows {
            assert_eq!(human_size(bytes), text);
        }
    }
}
