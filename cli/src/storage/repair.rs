//! `storage repair`.

use std::process::ExitCode;

use clap::Args;
use sapwood_engine::care::{Done, Mode, Outcome};

use super::{check, sites};
use crate::failure::Failure;
use crate::output::{Format, print, print_json};
use crate::settings::Settings;

/// The exit status where something couldn't be saved.
const UNSAVED: u8 = 1;

/// Options of `storage repair`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is intact is never removed. What isn't is moved to ROOT/quarantine, or stays
where it is and is named.

Exit status: 0 if all is right now, 1 if something couldn't be saved, 125 if
nothing could be found out.")]
pub struct RepairArgs {
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
    /// Remove images and containers that can't be saved
    #[arg(long)]
    prune_damaged: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Mends what can be mended, and tells what couldn't.
pub fn repair(settings: &Settings, args: &RepairArgs) -> Result<ExitCode, Failure> {
    let mode = Mode { dry_run: args.dry_run, prune_damaged: args.prune_damaged };
    let mut done = Vec::new();
    for site in sites::all(settings)? {
        let open = || sites::open(settings, &site);
        let repaired = site.repair(mode, &open);
        done.extend(repaired.map_err(|e| sites::not_checked(&e.into()))?);
    }
    match args.format {
        Format::Json => print_json(&done)?,
        Format::Table => print(&text(&done))?,
    }
    let saved = |done: &Done| !matches!(done.outcome, Outcome::Unsaved | Outcome::Failed(_));
    Ok(if done.iter().all(saved) { ExitCode::SUCCESS } else { ExitCode::from(UNSAVED) })
}

fn text(done: &[Done]) -> String {
    let line = |done: &Done| {
        let what = match &done.outcome {
            Outcome::Would => "would mend".to_owned(),
            Outcome::Mended => "mended".to_owned(),
            Outcome::SetAside(to) => format!("moved to {}", to.display()),
            Outcome::Removed => "removed".to_owned(),
            Outcome::Unsaved => "NOT SAVED".to_owned(),
            Outcome::Failed(why) => format!("FAILED ({why})"),
        };
        format!("{what}: {}", check::line(&done.finding))
    };
    match done {
        [] => "nothing is wrong\n".to_owned(),
        done => done.iter().map(line).collect(),
    }
}
