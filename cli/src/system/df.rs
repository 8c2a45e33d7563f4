//! `system df`: from the store's own account.

use std::path::Path;
use std::time::SystemTime;

use clap::Args;
use sapwood_engine::Engine;
use sapwood_engine::care::account::{Account, ContainerRoom, ImageRoom};
use sapwood_engine::container::{Containers, Summary, short};
use sapwood_engine::image::Image;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Format, Table, human_size, print, print_json};
use crate::time::ago;

/// Options of `system df`.
#[derive(Debug, Args)]
pub struct DfArgs {
    /// Show each image and container
    #[arg(long, short)]
    verbose: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One line of the summary.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Line {
    #[serde(rename = "Type")]
    kind: &'static str,
    total_count: usize,
    active: usize,
    size: u64,
    reclaimable: u64,
}

/// Tells what takes how much space.
pub fn df(engine: &Engine, runroot: &Path, args: &DfArgs) -> Result<(), Failure> {
    let account = engine.account()?;
    match (args.verbose, args.format) {
        (false, Format::Json) => print_json(&lines(&account)),
        (false, Format::Table) => print(&summary(&account)),
        (true, Format::Json) => print_json(&account),
        (true, Format::Table) => print(&verbose(engine, runroot, &account)?),
    }
}

fn lines(account: &Account) -> [Line; 2] {
    let containers = &account.containers;
    let sum = |running: bool| -> u64 {
        containers.iter().filter(|c| c.running || !running).map(|c| c.size).sum()
    };
    [
        Line {
            kind: "Images",
            total_count: account.images.len(),
            active: account.images.iter().filter(|i| i.containers > 0).count(),
            size: account.layers,
            reclaimable: account.reclaimable,
        },
        Line {
            kind: "Containers",
            total_count: containers.len(),
            active: containers.iter().filter(|c| c.running).count(),
            size: sum(false),
            reclaimable: sum(false) - sum(true),
        },
    ]
}

fn summary(account: &Account) -> String {
    let mut table = Table::new(["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]);
    for line in lines(account) {
        let percent = (line.reclaimable * 100).checked_div(line.size);
        let percent = percent.map_or_else(String::new, |percent| format!(" ({percent}%)"));
        table.row([
            line.kind.to_owned(),
            line.total_count.to_string(),
            line.active.to_string(),
            human_size(line.size),
            format!("{}{percent}", human_size(line.reclaimable)),
        ]);
    }
    table.render()
}

fn verbose(engine: &Engine, runroot: &Path, account: &Account) -> Result<String, Failure> {
    let images = engine.own_images()?;
    let containers = Containers::open(engine, runroot)
        .and_then(|containers| containers.list(true, &[]))
        .map_err(|e| Failure::new(e.to_string()))?;
    Ok(format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}",
        image_table(&images, &account.images),
        container_table(&containers, &account.containers)
    ))
}

fn image_table(images: &[Image], rooms: &[ImageRoom]) -> String {
    let now = SystemTime::now();
    let mut table = Table::new([
        "REPOSITORY",
        "TAG",
        "IMAGE ID",
        "CREATED",
        "SIZE",
        "SHARED SIZE",
        "UNIQUE SIZE",
        "CONTAINERS",
    ]);
    for room in rooms {
        // One that came or went meanwhile isn't shown.
        let Some(image) = images.iter().find(|image| image.id.to_string() == room.id) else {
            continue;
        };
        let none = || "<none>".to_owned();
        let name = image.names.first();
        table.row([
            name.map_or_else(none, |n| n.repository.familiar().to_owned()),
            name.map_or_else(none, |n| n.tag.clone()),
            image.id.short().to_owned(),
            image.config.created().map_or_else(|| "N/A".to_owned(), |at| ago(at, now)),
            human_size(room.shared + room.unique),
            human_size(room.shared),
            human_size(room.unique),
            room.containers.to_string(),
        ]);
    }
    table.render()
}

fn container_table(containers: &[Summary], rooms: &[ContainerRoom]) -> String {
    let now = SystemTime::now();
    let mut table = Table::new(["CONTAINER ID", "IMAGE", "SIZE", "CREATED", "STATUS", "NAMES"]);
    for container in containers {
        let size = rooms.iter().find(|room| room.id == container.id).map_or(0, |room| room.size);
        table.row([
            short(&container.id).to_owned(),
            container.image.clone(),
            human_size(size),
            ago(container.created, now),
            container.status.as_str().to_owned(),
            container.name.clone(),
        ]);
    }
    table.render()
}
