//! What can be said about the sources without running them.

use std::process::Command;
use std::time::Duration;

use crate::Request;
use crate::command::{cargo, packages, show};
use crate::error::Error;
use crate::tally::{Outcome, Tally};

/// Adds a row for each check.
pub(crate) fn run(request: &Request, tally: &mut Tally) -> Result<(), Error> {
    check(tally, "fmt", &mut fmt(request))?;
    check(tally, "clippy", &mut clippy(request))?;
    check(tally, "rustdoc", &mut rustdoc(request))?;
    deny(request, tally)
}

fn check(tally: &mut Tally, name: &str, command: &mut Command) -> Result<(), Error> {
    let (status, duration) = show(name, command)?;
    let outcome = if status.success() { Outcome::Passed } else { Outcome::Failed };
    tally.add_one(name, outcome, duration);
    Ok(())
}

fn fmt(request: &Request) -> Command {
    let mut command = cargo(request, &["fmt", "--check"]);
    if request.packages.is_empty() {
        command.arg("--all");
    }
    for package in &request.packages {
        command.args(["--package", package]);
    }
    command
}

fn clippy(request: &Request) -> Command {
    let mut command = cargo(request, &["clippy", "--locked", "--all-targets"]);
    packages(request, &mut command);
    command.args(["--", "-D", "warnings"]);
    command
}

/// Links between documented items rot like any other.
fn rustdoc(request: &Request) -> Command {
    let mut command = cargo(request, &["doc", "--locked", "--no-deps"]);
    packages(request, &mut command);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

/// Building cargo-deny takes longer than all tests together: who wants it installs it.
fn deny(request: &Request, tally: &mut Tally) -> Result<(), Error> {
    let name = "licences, bans, sources";
    let mut probe = cargo(request, &["deny", "--version"]);
    let there = probe.output().is_ok_and(|output| output.status.success());
    if !there {
        let why = "cargo-deny is missing: cargo install --locked cargo-deny".to_owned();
        tally.add_one(name, Outcome::NotRun(why), Duration::ZERO);
        return Ok(());
    }
    let words =
        ["deny", "--offline", "--log-level", "error", "check", "licenses", "bans", "sources"];
    check(tally, name, &mut cargo(request, &words))
}
