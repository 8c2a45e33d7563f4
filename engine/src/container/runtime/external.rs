//! A program with the command line that runc and crun share.
//!
//! Its container's first process becomes the monitor's child when the program
//! exits, because the monitor is a subreaper.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Failure, Runtime, Streams};
use crate::container::monitor::{Fault, Job};

/// The program, working on one container.
pub(in crate::container) struct External {
    program: PathBuf,
}

impl External {
    pub(in crate::container) fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// `PROGRAM --root STATE --log LOG VERB …`, with the bundle as working
    /// directory, so that short relative paths fit into a socket's address.
    fn command(&self, job: &Job, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(&job.state).arg("--log").arg(log(job)).arg(verb);
        command.current_dir(&job.bundle).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        command
    }

    fn run(&self, job: &Job, mut command: Command) -> Result<(), Failure> {
        let name = self.program.display();
        let status = command
            .status()
            .map_err(|e| Failure::runtime(format!("can't start the runtime {name}: {e}")))?;
        if status.success() {
            return Ok(());
        }
        let said = last_message(&log(job)).unwrap_or_else(|| format!("it ended with {status}"));
        Err(Failure { fault: fault(&said), message: format!("{name}: {said}") })
    }
}

impl Runtime for External {
    fn create(&mut self, job: &Job, streams: Option<Streams>) -> Result<i32, Failure> {
        let mut command = self.command(job, "create");
        command.arg("--bundle").arg(".").arg("--pid-file").arg("pid");
        if let Some(console) = job.console.as_deref().and_then(Path::file_name) {
            command.arg("--console-socket").arg(console);
        }
        if let Some(Streams { stdin, stdout, stderr }) = streams {
            command.stdin(stdin).stdout(stdout).stderr(stderr);
        }
        command.arg(&job.id);
        self.run(job, command)?;
        read_pid(&job.bundle.join("pid"))
    }

    fn start(&mut self, job: &Job) -> Result<(), Failure> {
        let mut command = self.command(job, "start");
        command.arg(&job.id);
        self.run(job, command)
    }

    fn delete(&mut self, job: &Job) -> Result<(), Failure> {
        let mut command = self.command(job, "delete");
        command.args([OsStr::new("--force"), OsStr::new(&job.id)]);
        self.run(job, command)
    }
}

fn log(job: &Job) -> PathBuf {
    job.bundle.join("runtime.log")
}

fn read_pid(path: &Path) -> Result<i32, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|e| Failure::runtime(format!("can't read {}: {e}", path.display())))?;
    text.trim().parse().map_err(|_| Failure::runtime(format!("{text:?} isn't a process number")))
}

/// The text of the last line of a runtime's log, which is JSON with `msg`, or
/// logfmt with `msg="…"`, or plain.
fn last_message(log: &Path) -> Option<String> {
    let text = std::io::read_to_string(File::open(log).ok()?).ok()?;
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(line) {
        return Some(value.get("msg")?.as_str()?.to_owned());
    }
    let quoted = line.split_once("msg=").map_or(line, |(_, message)| message);
    Some(serde_json::from_str(quoted).unwrap_or_else(|_| quoted.to_owned()))
}

/// Whose fault a runtime's words say it was. There is no other way to know:
/// its exit status is 1 for everything. Docker reads the same words.
fn fault(said: &str) -> Fault {
    let says = |words: &[&str]| words.iter().any(|w| said.contains(w));
    if !says(&[
        "exec: ",
        "executable file",
        "exec failed",
        "executing",
        "execvp",
        "open executable",
    ]) {
        Fault::Runtime
    } else if says(&["not found", "no such file or directory", "No such file or directory"]) {
        Fault::CommandNotFound
    } else {
        Fault::NotExecutable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_words_are_understood() {
        for (said, expected) in [
            (
                "unable to start container process: exec: \"nope\": executable file not found in $PATH",
                Fault::CommandNotFound,
            ),
            (
                "unable to start container process: exec: \"/nope\": stat /nope: no such file or directory",
                Fault::CommandNotFound,
            ),
            (
                "executable file `nope` not found in $PATH: No such file or directory",
                Fault::CommandNotFound,
            ),
            ("exec: \"/etc/passwd\": permission denied", Fault::NotExecutable),
            ("open executable: Permission denied", Fault::NotExecutable),
            ("cgroup: no such file or directory", Fault::Runtime),
        ] {
            assert_eq!(fault(said), expected, "{said}");
        }
    }

    #[test]
    fn the_last_line_of_a_log_counts() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        for (text, expected) in [
            ("{\"msg\":\"first\"}\n{\"level\":\"error\",\"msg\":\"last\"}\n\n", "last"),
            ("time=\"x\" level=error msg=\"a \\\"b\\\"\"\n", "a \"b\""),
            ("2026-11-21T10:00:00Z: plain words\n", "2026-11-21T10:00:00Z: plain words"),
        ] {
            fs::write(&log, text).unwrap();
            assert_eq!(last_message(&log).as_deref(), Some(expected));
        }
        assert_eq!(last_message(&dir.path().join("none")), None);
    }
}
