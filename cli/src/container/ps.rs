//! `sapwood ps`: which containers there are.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use sapwood_engine::Engine;
use sapwood_engine::container::{Filter, Status, Summary, short};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Format, Table, print, print_json};
use crate::time::{ago, span};

/// How much of a command a table shows.
const COMMAND_WIDTH: usize = 20;

/// Options of `ps`.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Show all containers, not only running ones
    #[arg(long, short)]
    all: bool,
    /// Only print ids
    #[arg(long, short)]
    quiet: bool,
    /// Don't shorten ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Filter, repeatable: name=, id=, status=, label=
    #[arg(long, short, value_name = "KEY=VALUE")]
    filter: Vec<Filter>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    name: &'a str,
    image: &'a str,
    image_id: &'a str,
    command: &'a [String],
    /// Seconds since 1970.
    created: u64,
    status: &'static str,
    pid: Option<i32>,
    exit_status: Option<u8>,
    labels: &'a BTreeMap<String, String>,
}

/// Lists containers, the newest first.
///
/// # Errors
/// The store can't be read.
pub fn ps(engine: &Engine, runroot: &Path, args: &PsArgs) -> Result<(), Failure> {
    let containers = super::open(engine, runroot)?;
    let found = containers.list(args.all, &args.filter).map_err(|e| super::failure(&e))?;
    if args.quiet {
        let ids = found.iter().map(|c| format!("{}\n", id(c, args.no_trunc)));
        return print(&ids.collect::<String>());
    }
    match args.format {
        Format::Json => print_json(&found.iter().map(row).collect::<Vec<_>>()),
        Format::Table => print(&table(&found, args.no_trunc, SystemTime::now()).render()),
    }
}

fn row(container: &Summary) -> Row<'_> {
    let (pid, exit_status) = match container.status {
        Status::Created => (None, None),
        Status::Running { pid, .. } => (Some(pid), None),
        Status::Exited { status, .. } => (None, Some(status)),
    };
    Row {
        id: &container.id,
        name: &container.name,
        image: &container.image,
        image_id: &container.image_id,
        command: &container.command,
        created: container.created.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
        status: container.status.as_str(),
        pid,
        exit_status,
        labels: &container.labels,
    }
}

fn table(containers: &[Summary], whole: bool, now: SystemTime) -> Table {
    let mut table = Table::new(["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES"]);
    for container in containers {
        table.row([
            id(container, whole).to_owned(),
            container.image.clone(),
            command(&container.command, whole),
            ago(container.created, now),
            status(container.status, now),
            container.name.clone(),
        ]);
    }
    table
}

fn id(container: &Summary, whole: bool) -> &str {
    if whole { &container.id } else { short(&container.id) }
}

/// The words in quotes, so that whatever is in them stays on one line.
fn command(words: &[String], whole: bool) -> String {
    let text: String = words.join(" ").escape_debug().collect();
    let shown = if whole || text.chars().count() <= COMMAND_WIDTH {
        text
    } else {
        text.chars().take(COMMAND_WIDTH - 1).chain(['…']).collect()
    };
    format!("\"{shown}\"")
}

fn status(status: Status, now: SystemTime) -> String {
    match status {
        Status::Created => "Created".to_owned(),
        Status::Running { since, .. } => {
            format!("Up {}", span(now.duration_since(since).unwrap_or_default()))
        }
        Status::Exited { status, at } => format!("Exited ({status}) {}", ago(at, now)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn summary(status: Status) -> Summary {
        Summary {
            id: "0123456789abcdef".repeat(4),
            name: "tall_hooker".into(),
            image: "busybox".into(),
            image_id: "sha256:1".into(),
            command: vec!["sh".into(), "-c".into(), "echo \"hello\nworld\"".into()],
            created: UNIX_EPOCH,
            status,
            labels: BTreeMap::new(),
        }
    }

    #[test]
    fn rows_are_dockers() {
        let now = UNIX_EPOCH + Duration::from_secs(120);
        let since = UNIX_EPOCH + Duration::from_secs(117);
        let rows = [
            summary(Status::Running { pid: 7, since }),
            summary(Status::Exited { status: 3, at: UNIX_EPOCH }),
        ];
        assert_eq!(
            table(&rows, false, now).render(),
            "CONTAINER ID   IMAGE     COMMAND                  CREATED         STATUS                     NAMES\n\
             0123456789ab   busybox   \"sh -c echo \\\"hello\\…\"   2 minutes ago   Up 3 seconds               tall_hooker\n\
             0123456789ab   busybox   \"sh -c echo \\\"hello\\…\"   2 minutes ago   Exited (3) 2 minutes ago   tall_hooker\n"
        );
    }

    #[test]
    fn json_has_numbers_for_programs() {
        let exited = summary(Status::Exited { status: 3, at: UNIX_EPOCH });
        let value = serde_json::to_value(row(&exited)).unwrap();
        assert_eq!(value["exit_status"], 3);
        assert_eq!(value["status"], "exited");
        assert_eq!(value["pid"], serde_json::Value::Null);
        assert_eq!(value["command"][0], "sh");
    }
}
