//! Small cases, each on a fresh union, for every subject.
//!
//! `SAPWOOD_UNION_SUBJECTS=kernel,rival,ours` chooses; without it, the kernel,
//! which shows that the cases are right, and ours. After each case the daemon
//! must be gone and the lower layers what they were.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod case;
mod content;
mod copyup;
mod create;
mod inodes;
mod lookup;
mod open;
mod readdir;
mod remove;
mod rename;
mod rights;

use std::process::ExitCode;

use case::Case;
use libtest_mimic::{Arguments, Failed, Trial};
use sapwood_kit::mount::in_private_namespace;
use sapwood_union::{Bench, Differences, Kind, Mounted, Outcome, Subject, Verdict};

/// All cases, by file.
fn all() -> impl Iterator<Item = &'static Case> {
    let files: [&'static [Case]; 10] = [
        lookup::CASES,
        readdir::CASES,
        create::CASES,
        remove::CASES,
        rename::CASES,
        copyup::CASES,
        inodes::CASES,
        open::CASES,
        rights::CASES,
        content::CASES,
    ];
    files.into_iter().flatten()
}

fn main() -> ExitCode {
    if let Some(path) = std::env::var_os(content::HOLDER_ENV) {
        return match content::hold(path.as_ref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let mut arguments = Arguments::from_args();
    // One at a time in a process: another thread's child holds, until it
    // executes its program, all descriptors, and the unmount finds them.
    arguments.test_threads = Some(1);
    let kinds = match Kind::chosen() {
        Ok(kinds) => kinds,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::FAILURE;
        }
    };
    let mut trials: Vec<_> = kinds
        .into_iter()
        .flat_map(|kind| {
            all().map(move |case| {
                Trial::test(format!("{}::{}", kind.name(), case.name), move || run(kind, case))
            })
        })
        .collect();
    trials.push(Trial::test("differences_are_of_cases", || {
        let names: Vec<_> = all().map(|case| case.name.to_owned()).collect();
        let declared = Differences::declared().map_err(|e| e.to_string())?;
        match declared.strays(&names) {
            strays if strays.is_empty() => Ok(()),
            strays => Err(format!("differences of no case: {strays:?}").into()),
        }
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn run(kind: Kind, case: &'static Case) -> Result<(), Failed> {
    let subject = match Subject::find(kind) {
        Ok(subject) => subject,
        Err(reason) => return Ok(sapwood_vm::not_run(&reason)?),
    };
    let outcome = in_private_namespace(|| Ok(on_a_bench(&subject, case)))?;
    if let Err(e) = &outcome
        && e.what() == Mounted::NOTHING
    {
        return Ok(sapwood_vm::not_run("fuse-overlay mounts nothing yet")?);
    }
    let declared = Differences::declared().map_err(|e| e.to_string())?;
    match declared.judge(kind, case.name, &outcome) {
        Verdict::Passed => Ok(()),
        Verdict::Declared(reason) => {
            println!("as declared: {reason}");
            Ok(())
        }
        Verdict::Failed(what) => Err(what.into()),
    }
}

fn on_a_bench(subject: &Subject, case: &Case) -> Outcome {
    let mut bench = Bench::new(subject)?;
    (case.run)(&mut bench)?;
    bench.finish()
}
