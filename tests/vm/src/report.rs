//! How a program ended in the machine, and the log that explains it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// How it ended. The cases are kept apart, because each sends the reader to another place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// The program exited with this status. Other than 0, the program failed.
    Exited(i32),
    /// A signal of this number killed the program: 9 may be the guest's OOM killer, the log tells.
    Signaled(i32),
    /// It was still running at the deadline, and was killed.
    TimedOut(Duration),
    /// The guest's kernel panicked, with these words.
    Panicked(String),
    /// The guest's init ended before the program did: a defect of this crate or of the kernel's
    /// configuration, not of the program.
    InitDied(String),
}

impl Ended {
    /// Whether the program exited with status 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Self::Exited(0)
    }

    /// The exit status that passes this on: the program's own, 128 + n for signal n, 124 at the
    /// deadline (as timeout(1)), 125 if the machine itself failed.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Exited(status) => u8::try_from(status & 0xff).unwrap_or(u8::MAX),
            Self::Signaled(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            Self::TimedOut(_) => 124,
            Self::Panicked(_) | Self::InitDied(_) => 125,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(out, "exited with status {status}"),
            Self::Signaled(signal) => write!(out, "was killed by signal {signal}"),
            Self::TimedOut(after) => write!(out, "was ended after {:.1} s", after.as_secs_f64()),
            Self::Panicked(words) => write!(out, "the guest's kernel panicked: {words}"),
            Self::InitDied(words) => write!(out, "the guest's init died: {words}"),
        }
    }
}

/// The outcome of [`Machine::run`](crate::Machine::run). Dropping it removes the log, and the
/// output directory unless the caller chose that.
#[derive(Debug)]
pub struct Report {
    pub(crate) ended: Ended,
    pub(crate) duration: Duration,
    pub(crate) output: PathBuf,
    pub(crate) not_run: Vec<String>,
    pub(crate) log: PathBuf,
    pub(crate) directory: TempDir,
}

/// How much of the log a failure shows. A backtrace and the kernel's last words fit.
const TAIL_LINES: usize = 80;

impl Report {
    /// How the program ended.
    #[must_use]
    pub fn ended(&self) -> &Ended {
        &self.ended
    }

    /// From the start of the machine to its end.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// The host's side of the directory that the guest finds under [`crate::OUTPUT_ENV`].
    #[must_use]
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// What tests in the guest reported through [`crate::not_run`], a line each.
    #[must_use]
    pub fn not_run(&self) -> &[String] {
        &self.not_run
    }

    /// The file that holds what the program and the kernel wrote, in the order in which it came.
    #[must_use]
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// The whole log. Bytes that aren't UTF-8 are replaced: this is for people to read.
    #[must_use]
    pub fn log(&self) -> String {
        read_log(&self.log)
    }

    /// Leaves log and output directory behind, and says where.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.directory.keep()
    }
}

/// A log that can't be read must not hide the outcome that it belongs to.
pub(crate) fn read_log(path: &Path) -> String {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("(no log: {}: {error})", path.display()),
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n")
}

impl fmt::Display for Report {
    /// The outcome in one line, then the end of the log.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.duration.as_secs_f64();
        writeln!(out, "in the virtual machine, after {seconds:.1} s: {}", self.ended)?;
        writeln!(out, "--- end of its log ---\n{}", tail(&self.log()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_follow_timeout_and_the_shell() {
        let long = Duration::from_secs(1);
        for (ended, status) in [
            (Ended::Exited(0), 0),
            (Ended::Exited(101), 101),
            (Ended::Signaled(9), 137),
            (Ended::TimedOut(long), 124),
            (Ended::Panicked(String::new()), 125),
            (Ended::InitDied(String::new()), 125),
        ] {
            assert_eq!(ended.exit_status(), status, "{ended}");
        }
    }

    #[test]
    fn tail_keeps_the_end() {
        let log: String = (0..200).map(|n| format!("{n}\n")).collect();
        let tail = tail(&log);
        assert!(tail.starts_with("120\n") && tail.ends_with("\n199"), "{tail}");
        assert_eq!(super::tail("one"), "one");
    }
}
