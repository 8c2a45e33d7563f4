//! `storage status`: what the driver found and does here.

use std::path::Path;

use clap::Args;
use graphdriver_api::choice::Choice;
use graphdriver_api::{GraphDriver, Status, Traits};
use sapwood_engine::additional::Additional;
use serde::Serialize;

use crate::failure::Failure;
use crate::open::Storage;
use crate::output::{Format, Table, print, print_json};

/// Options of `storage status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Report<'a> {
    choice: &'a Choice,
    traits: &'a Traits,
    status: &'a Status,
    native_diff: bool,
    quota: bool,
    additional_image_stores: Vec<Store>,
}

/// An additional store, and what is to be had there.
#[derive(Serialize)]
struct Store {
    path: std::path::PathBuf,
    images: Result<usize, String>,
}

/// Shows the driver's facts and traits.
pub fn status(storage: &Storage, args: &StatusArgs) -> Result<(), Failure> {
    let driver = &*storage.driver;
    let status = driver.status()?;
    let report = Report {
        choice: &storage.choice,
        traits: driver.traits(),
        status: &status,
        native_diff: driver.native_diff().is_some(),
        quota: driver.quota().is_some(),
        additional_image_stores: storage.additional.iter().map(|path| look(path, driver)).collect(),
    };
    match args.format {
        Format::Json => print_json(&report),
        Format::Table => print(&table(&report).render()),
    }
}

fn look(path: &Path, driver: &dyn GraphDriver) -> Store {
    let images = Additional::new(path, driver.name()).images().map_err(|e| e.report());
    Store { path: path.to_owned(), images }
}

fn table(report: &Report<'_>) -> Table {
    let mut table = Table::new(["WHAT", "VALUE", "WHY"]);
    let mut row = |what: &str, value: String, why: &str| {
        table.row([what.into(), value, why.into()]);
    };
    row("driver", report.choice.name.into(), &report.choice.reason);
    for fact in &report.status.facts {
        row(&fact.name, fact.value.clone().into_owned(), &fact.reason);
    }
    let t = report.traits;
    let depth = t.max_depth.map_or_else(|| "any".into(), |d| d.to_string());
    row("longest chain of layers", depth, "");
    row("layers unpack side by side", yes(t.rebase), "");
    row("cheap differences", yes(report.native_diff), "");
    row("directories can be renamed", yes(t.directory_rename), "");
    row("hard links survive a write", yes(t.hard_links_survive_write), "");
    row("id-mapped mounts", yes(t.id_maps), "");
    row("quotas", yes(report.quota), "");
    for store in &report.additional_image_stores {
        let (value, why) = match &store.images {
            Ok(images) => (format!("{images} images"), store.path.display().to_string()),
            Err(why) => ("can't be used".to_owned(), why.clone()),
        };
        row("additional image store", value, &why);
    }
    let recovered = report.status.recovered;
    row("half-made nodes recovered", recovered.half_made.to_string(), "when the driver was opened");
    row(
        "drafts of earlier boots taken away",
        recovered.ended.to_string(),
        "when the driver was opened",
    );
    row("dead mounts recovered", recovered.mounts.to_string(), "when the driver was opened");
    row("removed, space not yet given back", report.status.awaiting_reclaim.to_string(), "");
    table
}

fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.into()
}
