//! Every test of a libtest binary, each in a process of its own.
//!
//! As `cargo nextest` does it on the host, through the same stable interface:
//! `--list --format terse`, then `NAME --exact`. One boot serves all tests,
//! and one that hangs or is killed doesn't take the others with it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::guest::events::Events;
use crate::guest::terminal::Terminal;
use crate::guest::{Step, child, command, during};
use crate::job::{Event, Job};
use crate::suite::START_MARK;

/// Listing starts nothing but the binary itself.
const LIST_DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn run(
    events: &mut Events,
    terminal: &Terminal,
    job: &Job,
    suite: &str,
    deadline: Duration,
) -> Step<()> {
    let asked_for =
        job.arguments.iter().any(|word| word == "--ignored" || word == "--include-ignored");
    let ignored: HashSet<String> = if asked_for {
        HashSet::new()
    } else {
        list(terminal, job, &["--ignored"])?.into_iter().collect()
    };
    for test in list(terminal, job, &[])? {
        if ignored.contains(&test) {
            events.write(&Event::Ignored(test))?;
        } else {
            run_one(events, terminal, job, suite, test, deadline)?;
        }
    }
    Ok(())
}

fn run_one(
    events: &mut Events,
    terminal: &Terminal,
    job: &Job,
    suite: &str,
    test: String,
    deadline: Duration,
) -> Step<()> {
    events.write(&Event::Started(test.clone()))?;
    terminal.announce(&format!("{START_MARK}{test}\n"))?;
    let mut command = command(job, terminal)?;
    // One console for both: two pipes would lose the order of the lines, and whose they are.
    command
        .stdout(terminal.stderr()?)
        .args([&test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"])
        .env("NEXTEST_BINARY_ID", suite)
        .env("NEXTEST_TEST_NAME", &test);
    let started = Instant::now();
    let ended = child::run(&mut command, Some(deadline)).map_err(during(job.program.display()))?;
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    child::clear_up().map_err(during("collect what a test left"))?;
    events.write(&Event::Done { test, ended, millis })
}

/// Names, in the binary's order, that the job's filters select.
fn list(terminal: &Terminal, job: &Job, more: &[&str]) -> Step<Vec<String>> {
    let arguments = ["--list", "--format", "terse"].into_iter().chain(more.iter().copied());
    let arguments = arguments.map(OsString::from).chain(job.arguments.iter().cloned());
    let (mut names, list) = std::io::pipe().map_err(during("make a pipe"))?;
    let mut command = command(job, terminal)?;
    command.args(arguments).stdout(Stdio::from(list));
    // Read beside the child: a long list doesn't fit into the pipe.
    let reader = std::thread::spawn(move || std::io::read_to_string(&mut names));
    let ended =
        child::run(&mut command, Some(LIST_DEADLINE)).map_err(during(job.program.display()))?;
    drop(command);
    let text = reader.join().map_err(|_| "the reader panicked".to_owned())?;
    if !ended.is_success() {
        return Err(format!("{} --list {ended}", job.program.display()));
    }
    let text = text.map_err(during("read the list of tests"))?;
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}
