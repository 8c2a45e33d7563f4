//! `storage check`.

use std::process::ExitCode;

use clap::Args;
use sapwood_engine::care::{Depth, Finding, Report, Site, Unverified};
use serde::Serialize;

use super::sites::{self, NOT_CHECKED};
use crate::failure::Failure;
use crate::output::{Format, print, print_json};
use crate::settings::Settings;

/// The exit status where something is wrong.
const FOUND: u8 = 1;

/// Options of `storage check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is changed; others may be at work. What crashes leave is listed apart
and is nothing wrong: the next command takes it away, or `sapwood storage gc`.

Exit status: 0 if nothing is wrong, 1 if something is, 125 if that couldn't be
found out.")]
pub struct CheckArgs {
    /// Also read every file of every layer, and hold each layer against the
    /// archive that it came as. Opens the driver, as other commands do
    #[arg(long)]
    content: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Checked {
    #[serde(flatten)]
    report: Report,
    /// Layers that couldn't be compared, or not in everything.
    unverified: Vec<Unverified>,
}

/// Compares records, driver and disk, and tells where they differ.
pub fn check(settings: &Settings, args: &CheckArgs) -> Result<ExitCode, Failure> {
    let mut checked = Vec::new();
    for site in sites::all(settings)? {
        let one = look(settings, &site, args).map_err(|f| sites::not_checked(&f))?;
        checked.push(one);
    }
    match args.format {
        Format::Json => print_json(&checked)?,
        Format::Table => print(&text(&checked))?,
    }
    Ok(status(&checked))
}

/// What is wrong counts more than what couldn't be looked at.
fn status(checked: &[Checked]) -> ExitCode {
    if checked.iter().any(|c| !c.report.is_clean()) {
        ExitCode::from(FOUND)
    } else if checked.iter().any(|c| !c.unverified.is_empty()) {
        ExitCode::from(NOT_CHECKED)
    } else {
        ExitCode::SUCCESS
    }
}

fn look(settings: &Settings, site: &Site<'_>, args: &CheckArgs) -> Result<Checked, Failure> {
    let mut report = site.check(Depth::Accounts)?;
    let mut unverified = Vec::new();
    if args.content {
        match sites::open(settings, site) {
            Ok(engine) => {
                let told = |layer: &str| tracing::info!("reading layer {layer}");
                let (found, not) = engine.verify(&told)?;
                report.findings.extend(found);
                unverified = not;
            }
            Err(e) if !report.is_clean() => {
                report.notes.push(format!("content wasn't read: {}", e.report()));
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(Checked { report, unverified })
}

fn text(checked: &[Checked]) -> String {
    let mut text = String::new();
    for Checked { report, unverified } in checked {
        for finding in report.findings.iter().chain(&report.leftovers) {
            text.push_str(&line(finding));
        }
        for one in unverified {
            let short: String = one.layer.chars().take(12).collect();
            text.push_str(&format!("not verified: layer {short}: {}\n", one.why));
        }
        for note in &report.notes {
            text.push_str(&format!("{}: note: {note}\n", report.driver));
        }
        text.push_str(&summary(report));
    }
    if checked.is_empty() {
        text.push_str("there is nothing to check here\n");
    }
    text
}

/// One finding on a line of its own: severity, code, what it is about, what is
/// so, where, and what would be done.
pub fn line(finding: &Finding) -> String {
    let severity = match finding.severity {
        graphdriver_api::Severity::Leftover => "leftover",
        graphdriver_api::Severity::Wrong => "wrong",
        graphdriver_api::Severity::Lost => "lost",
    };
    let subject = finding.subject.as_ref().map_or_else(String::new, |s| format!("{s}: "));
    let line = format!(
        "{severity} {}: {subject}{} ({}); repair: {}",
        finding.code,
        finding.what,
        finding.path.display(),
        finding.repair
    );
    // Names come from the disk: they stay on one line.
    let printable =
        |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    line.chars().map(printable).chain(["\n".to_owned()]).collect()
}

fn summary(report: &Report) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!(
        "{}: {}, {} and {} compared: {}, {}\n",
        report.driver,
        count(report.images, "image"),
        count(report.layers, "layer"),
        count(report.containers, "container"),
        match report.findings.len() {
            0 => "nothing is wrong".to_owned(),
            n => count(n, "finding"),
        },
        count(report.leftovers.len(), "leftover"),
    )
}
