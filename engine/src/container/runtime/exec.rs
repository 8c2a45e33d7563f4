//! The last step before a container's command: executing it, and saying why
//! that failed.
//!
//! This runs in the container's first process, with everything in force but the
//! filter of system calls: its root directory, its user, its capabilities.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use libcontainer::workload::{
    Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use oci_spec::runtime::Spec;
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use super::Failure;
use crate::container::monitor::Fault;

/// Puts the process under its filter and executes the command; if that fails,
/// writes why to a pipe, which a successful execution closes.
#[derive(Debug, Clone)]
pub(super) struct Exec {
    report: Rc<OwnedFd>,
    filter: Option<Rc<[u8]>>,
}

/// What goes through the pipe.
#[derive(Debug, Serialize, Deserialize)]
struct Refusal {
    fault: Fault,
    message: String,
}

impl Exec {
    pub(super) fn new(report: OwnedFd, filter: Option<Vec<u8>>) -> Self {
        Self { report: Rc::new(report), filter: filter.map(Rc::from) }
    }

    fn tell(&self, refusal: &Refusal) -> io::Result<()> {
        let text = serde_json::to_vec(refusal)?;
        File::from(self.report.try_clone()?).write_all(&text)
    }
}

/// Waits until the command runs or can't.
pub(super) fn outcome(reader: OwnedFd) -> Result<(), Failure> {
    let text = io::read_to_string(File::from(reader))
        .map_err(|e| Failure::runtime(format!("can't tell whether the command runs: {e}")))?;
    if text.is_empty() {
        return Ok(());
    }
    let refusal: Refusal = serde_json::from_str(&text)
        .map_err(|e| Failure::runtime(format!("can't tell why the command failed: {e}")))?;
    Err(Failure { fault: refusal.fault, message: refusal.message })
}

impl Executor for Exec {
    fn validate(&self, _: &Spec) -> Result<(), ExecutorValidationError> {
        // Whether the command can be executed is known when it has been.
        Ok(())
    }

    fn setup_envs(&self, _: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        // The command gets its environment when it is executed. Changing this
        // process's own would only lead its C library astray.
        Ok(())
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let refusal = execute(spec, self.filter.as_deref());
        self.tell(&refusal).map_err(|e| ExecutorError::Other(e.to_string()))?;
        Err(ExecutorError::Other(refusal.message))
    }
}

/// Returns only if it failed.
fn execute(spec: &Spec, filter: Option<&[u8]>) -> Refusal {
    let process = spec.process().as_ref();
    let args = process.and_then(|p| p.args().as_deref()).unwrap_or_default();
    let env = process.and_then(|p| p.env().as_deref()).unwrap_or_default();
    let Some((name, args)) = args.split_first() else {
        return Refusal { fault: Fault::Runtime, message: "there is no command".to_owned() };
    };
    // The monitor answers for this container: if it dies, so does the command.
    if let Err(e) = set_parent_process_death_signal(Some(Signal::KILL)) {
        let message = format!("can't tie the container to its monitor: {e}");
        return Refusal { fault: Fault::Runtime, message };
    }
    let variables = env.iter().filter_map(|entry| entry.split_once('='));
    let path = variables.clone().find(|(n, _)| *n == "PATH").map_or("", |(_, value)| value);
    let found = find(name, path);
    // Last of all: what a filter refuses, everything before may still need.
    if let Some(Err(e)) = filter.map(sapwood_sys::seccomp::install) {
        let message = format!("can't load the seccomp filter: {e}");
        return Refusal { fault: Fault::Runtime, message };
    }
    let error = match found {
        // Also resets SIGPIPE, which Rust programs ignore and would hand on.
        Ok(program) => {
            Command::new(program).arg0(name).args(args).env_clear().envs(variables).exec()
        }
        Err(e) => e,
    };
    Refusal { fault: fault(&error), message: format!("{name}: {}", words(&error)) }
}

/// The program of that name: a path as it is, else the first file in a folder
/// of `path` that may be executed.
fn find(name: &str, path: &str) -> io::Result<PathBuf> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let mut denied = false;
    for folder in path.split(':') {
        let candidate = Path::new(if folder.is_empty() { "." } else { folder }).join(name);
        match fs::metadata(&candidate) {
            Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o111 != 0 => {
                return Ok(candidate);
            }
            Ok(meta) => denied |= meta.is_file(),
            Err(e) => denied |= e.kind() == io::ErrorKind::PermissionDenied,
        }
    }
    let kind = if denied { io::ErrorKind::PermissionDenied } else { io::ErrorKind::NotFound };
    Err(kind.into())
}

fn fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::NotFound => Fault::CommandNotFound,
        _ => Fault::NotExecutable,
    }
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such command in the container".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "the command can't be executed: no permission".to_owned()
        }
        _ => format!("the command can't be executed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn programs_are_found_as_a_shell_would() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::create_dir_all(a.join("folder")).unwrap();
        fs::create_dir_all(&b).unwrap();
        fs::write(a.join("tool"), "").unwrap();
        fs::write(a.join("plain"), "").unwrap();
        fs::write(b.join("tool"), "").unwrap();
        fs::set_permissions(b.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", a.display(), b.display());
        assert_eq!(find("tool", &path).unwrap(), b.join("tool"));
        assert_eq!(find("/x/y", &path).unwrap(), Path::new("/x/y"));
        assert_eq!(fault(&find("plain", &path).unwrap_err()), Fault::NotExecutable);
        assert_eq!(fault(&find("folder", &path).unwrap_err()), Fault::CommandNotFound);
        assert_eq!(fault(&find("none", "").unwrap_err()), Fault::CommandNotFound);
    }

    #[test]
    fn silence_means_that_the_command_runs() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(Exec::new(writer, None));
        assert!(outcome(reader).is_ok());
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let exec = Exec::new(writer, None);
        assert!(exec.report.as_fd().try_clone_to_owned().is_ok());
        let refusal = Refusal { fault: Fault::NotExecutable, message: "no".into() };
        exec.tell(&refusal).unwrap();
        drop(exec);
        assert_eq!(outcome(reader).unwrap_err().fault, Fault::NotExecutable);
    }
}
