//! `sapwood info`: this host, the drivers, and which one is used why.

use clap::Args;
use graphdriver_api::{OptionHelp, Suitability};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Format, Table, print, print_json};
use crate::settings::Settings;

/// Options of `info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Info<'a> {
    version: &'static str,
    kernel: String,
    root: &'a std::path::Path,
    runroot: &'a std::path::Path,
    storage_driver: Result<graphdriver_api::choice::Choice, String>,
    additional_image_stores: &'a [std::path::PathBuf],
    drivers: Vec<Driver>,
}

#[derive(Serialize)]
struct Driver {
    name: &'static str,
    summary: &'static str,
    has_data: bool,
    suitability: Suitability,
    options: &'static [OptionHelp],
}

/// Probes every driver and shows what it said; opens none, so that it also
/// works where none can be opened.
pub fn info(settings: &Settings, args: &InfoArgs) -> Result<(), Failure> {
    let candidates = sapwood_registry::candidates(&settings.root, &settings.options)?;
    let choice = graphdriver_api::choice::choose(settings.wish(), &candidates);
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        kernel: kernel(),
        root: &settings.root,
        runroot: &settings.runroot,
        additional_image_stores: &settings.additional,
        storage_driver: choice.map_err(|refusal| refusal.to_string()),
        drivers: drivers(candidates),
    };
    match args.format {
        Format::Json => print_json(&info),
        Format::Table => print(&text(&info)),
    }
}

fn kernel() -> String {
    let uname = rustix::system::uname();
    format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy())
}

fn drivers(candidates: Vec<graphdriver_api::choice::Candidate>) -> Vec<Driver> {
    let describe = |c: graphdriver_api::choice::Candidate| {
        let factory = sapwood_registry::factories().find(|f| f.name() == c.name)?;
        Some(Driver {
            name: c.name,
            summary: factory.summary(),
            has_data: c.has_data,
            suitability: c.suitability,
            options: factory.options(),
        })
    };
    candidates.into_iter().filter_map(describe).collect()
}

fn text(info: &Info<'_>) -> String {
    let chosen = match &info.storage_driver {
        Ok(choice) => format!("{} ({})", choice.name, choice.reason),
        Err(refusal) => format!("none: {refusal}"),
    };
    let mut head = Table::new(["Version:", info.version]);
    head.row(["Kernel:".into(), info.kernel.clone()]);
    head.row(["Root:".into(), info.root.display().to_string()]);
    head.row(["Run root:".into(), info.runroot.display().to_string()]);
    head.row(["Storage driver:".into(), chosen]);
    for store in info.additional_image_stores {
        head.row(["Additional image store:".into(), store.display().to_string()]);
    }

    let mut drivers = Table::new(["DRIVER", "HERE", "WORKS", "WHAT IT IS, OR WHY IT DOESN'T WORK"]);
    let mut options = Table::new(["STORAGE OPTION", "VALUES", "WHAT IT DOES"]);
    let mut any_option = false;
    for d in &info.drivers {
        let (works, why) = match &d.suitability {
            Suitability::Suitable(_) => ("yes", d.summary.to_owned()),
            Suitability::Unsuitable { reason, remedy } => (
                "no",
                [Some(reason.clone()), remedy.clone()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join("; "),
            ),
        };
        let here = if d.has_data { "has data" } else { "-" };
        drivers.row([d.name.into(), here.into(), works.into(), why]);
        for o in d.options {
            any_option = true;
            options.row([o.name.into(), o.values.into(), o.help.into()]);
        }
    }
    let mut text = format!("{}\n{}", head.render(), drivers.render());
    if any_option {
        text.push('\n');
        text.push_str(&options.render());
    }
    text
}
