//! What `make test` and `make lint` start.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sapwood_report::{Error, Request, Tally, guests, lint, render, test};

/// Runs what this machine can run, and says what ran and what did not.
#[derive(Debug, Parser)]
struct Cli {
    /// Only this package (may be repeated).
    #[arg(long, short, global = true)]
    package: Vec<String>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum What {
    /// Formatting, lints, documentation, licences.
    Lint,
    /// That, and every suite.
    Test {
        /// Leave the virtual machines out.
        #[arg(long)]
        without_guests: bool,
    },
    /// Only what runs in virtual machines.
    Guests,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let without_guests = matches!(cli.what, What::Test { without_guests: true });
    let request = Request { root: root(), packages: cli.package, without_guests };
    let done = match cli.what {
        What::Lint => lint(&request),
        What::Test { .. } => test(&request),
        What::Guests => guests(&request),
    };
    match done.and_then(|tally| finish(&tally)) {
        Ok(code) => code,
        Err(error) => {
            // With standard error gone there's nobody left to tell.
            writeln!(io::stderr(), "sapwood-report: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

/// This program is of no use outside the workspace that it was built in.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map_or_else(PathBuf::new, Into::into)
}

fn finish(tally: &Tally) -> Result<ExitCode, Error> {
    let table = format!("\n{}", render(tally));
    if io::stdout().write_all(table.as_bytes()).is_err() {
        return Ok(ExitCode::FAILURE);
    }
    Ok(if tally.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
