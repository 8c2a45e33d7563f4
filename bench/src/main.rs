//! The command `sapwood-bench`: Sapwood beside other systems.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sapwood_bench::system::Setup;
use sapwood_bench::{Candidate, Measured, Subject, interleave, load, start};

/// Measure Sapwood beside other systems, taking turns on this machine
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Time from starting a container to having cleaned up after it
    Start {
        #[command(flatten)]
        args: Args,
        /// Turns for each subject
        #[arg(long, default_value_t = 40)]
        repetitions: usize,
    },
    /// Time until an image is loaded and on the disk
    Load {
        #[command(flatten)]
        args: Args,
        /// Turns for each subject
        #[arg(long, default_value_t = 7)]
        repetitions: usize,
    },
}

#[derive(Debug, clap::Args)]
struct Args {
    /// The sapwood binary
    #[arg(long, default_value = "target/release/sapwood")]
    sapwood: PathBuf,
    /// A docker-archive; to be started it needs a `true`
    #[arg(long)]
    archive: PathBuf,
    /// Its image's name
    #[arg(long, default_value = "busybox")]
    image: String,
    /// Drivers of Sapwood to measure
    #[arg(long, value_delimiter = ',', default_value = "overlay2,vfs")]
    drivers: Vec<String>,
    /// Write all samples as JSON to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// A folder for everybody's data, on the file system to be measured
    #[arg(long, default_value = "/var/tmp")]
    work: PathBuf,
}

#[allow(clippy::print_stderr)] // The last word of a command.
fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Start { args, repetitions } => compare(&args, repetitions, start::candidates),
        Command::Load { args, repetitions } => compare(&args, repetitions, load::candidates),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("sapwood-bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn compare(
    args: &Args,
    repetitions: usize,
    candidates: fn(&Setup, &[String]) -> Vec<Candidate>,
) -> Result<(), String> {
    let work = tempfile::Builder::new()
        .prefix("sapwood-bench-")
        .tempdir_in(&args.work)
        .map_err(|e| format!("can't make a folder in {}: {e}", args.work.display()))?;
    let setup = Setup {
        sapwood: args
            .sapwood
            .canonicalize()
            .map_err(|e| format!("{}: {e}", args.sapwood.display()))?,
        archive: args
            .archive
            .canonicalize()
            .map_err(|e| format!("{}: {e}", args.archive.display()))?,
        image: args.image.clone(),
        work: work.path().to_owned(),
    };
    let mut results = Vec::new();
    let mut subjects: Vec<Box<dyn Subject>> = Vec::new();
    for candidate in candidates(&setup, &args.drivers) {
        match candidate {
            Ok(subject) => subjects.push(subject),
            Err((name, why)) => {
                results.push(Measured { name, samples: Vec::new(), failed: Some(why) });
            }
        }
    }
    results.splice(0..0, interleave(&mut subjects, repetitions, progress(repetitions)));
    drop(subjects);
    report(&results);
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&results).map_err(|e| e.to_string())?;
        std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    match results.iter().find(|r| r.failed.is_some() && r.name.starts_with("sapwood")) {
        Some(ours) => Err(format!("{} failed", ours.name)),
        None => Ok(()),
    }
}

#[allow(clippy::print_stderr)] // Progress, on a terminal only.
fn progress(of: usize) -> impl FnMut(usize) {
    use std::io::IsTerminal;
    let shown = std::io::stderr().is_terminal();
    move |done| {
        if shown {
            eprint!("\r{done}/{of}");
            if done == of {
                eprintln!();
            }
        }
    }
}

#[allow(clippy::print_stdout)] // What the command is for.
fn report(results: &[Measured]) {
    let first = results.first();
    println!(
        "{:<20} {:>10} {:>17} {:>22}",
        "SUBJECT", "MEDIAN ms", "95 % INTERVAL", "AS A MULTIPLE OF FIRST"
    );
    for result in results {
        let Some(time) = result.time() else {
            let why = result.failed.as_deref().unwrap_or("no samples");
            println!("{:<20} not run: {why}", result.name);
            continue;
        };
        let ratio = first.and_then(|f| result.ratio_to(f));
        let ratio = ratio
            .map_or_else(String::new, |r| format!("{:.2} ({:.2}–{:.2})", r.median, r.low, r.high));
        let interval = format!("{:.1}–{:.1}", time.low, time.high);
        println!("{:<20} {:>10.1} {interval:>17} {ratio:>22}", result.name, time.median);
        if let Some(why) = &result.failed {
            println!("{:<20} stopped: {why}", "");
        }
    }
}
