//! Work that a case leaves to another process: this very program, started
//! again with the name of a part to play.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use super::cases::PARTS;
use super::context::Context;
use super::stop::{Stop, Verdict, When};
use super::subject::Subject;

/// Names the part; set only by [`Context::child`].
const PART_ENV: &str = "SAPWOOD_CONFORMANCE_PART";
/// The directory of the case that the part belongs to.
const DIR_ENV: &str = "SAPWOOD_CONFORMANCE_DIR";

/// A part to play in another process: its name, and what it does. It sees
/// its case's own directory, and talks by standard output.
pub(super) type Part = (&'static str, fn(&Context<'_>) -> Verdict);

impl Context<'_> {
    /// A command that plays a part beside this case, with pipes as its
    /// standard input and output.
    pub(super) fn child(&self, part: &str) -> Verdict<Command> {
        // By this name it is found even if it has been built anew meanwhile.
        let mut command = Command::new("/proc/self/exe");
        command.env(PART_ENV, part).env(DIR_ENV, self.dir());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(command)
    }

    /// Plays a part to its end, and gives what it said.
    pub(super) fn play(&self, part: &str) -> Verdict<Vec<u8>> {
        let output = self.child(part)?.stderr(Stdio::piped()).output().when("start a child")?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Stop::failed(format!("in another process ({part}): {}", said.trim())))
    }
}

/// If this process was started to play a part, plays it and says how to exit.
pub(super) fn play_part(subject: &Subject) -> Option<ExitCode> {
    let part = env::var(PART_ENV).ok()?;
    let dir = PathBuf::from(env::var_os(DIR_ENV)?);
    Some(match find_and_play(subject, &part, dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            // Nobody to tell if standard error is closed; the status tells it.
            drop(writeln!(io::stderr(), "{stop:?}"));
            ExitCode::FAILURE
        }
    })
}

fn find_and_play(subject: &Subject, part: &str, dir: PathBuf) -> Verdict {
    let found = PARTS.iter().copied().flatten().find(|(name, _)| *name == part);
    let (_, play) = found.ok_or_else(|| Stop::failed(format!("no part {part:?}")))?;
    play(&Context::new(subject, dir))
}

/// Writes a line for the case that started this part to read.
pub(super) fn say(line: &str) -> Verdict {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).when("talk to the case")
}
