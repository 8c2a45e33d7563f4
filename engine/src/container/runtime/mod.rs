//! Making a process of a bundle: by the library that is built in, or by a
//! program such as crun or runc. Both are used by a container's monitor only,
//! and in the same two steps, so that what lies between them is the same.

mod builtin;
mod exec;
mod external;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::error::{Error, Result};
use super::host::is_there;
use super::monitor::{Fault, Job};

pub(super) use builtin::BuiltIn;
pub(super) use external::External;

/// The standard streams of a container without a terminal.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Why a runtime failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) fault: Fault,
    pub(super) message: String,
}

impl Failure {
    fn runtime(message: impl Into<String>) -> Self {
        Self { fault: Fault::Runtime, message: message.into() }
    }
}

/// A runtime, working on one container.
pub(super) trait Runtime {
    /// Makes the container, its first process waiting before the command, and
    /// gives that process's number. The process is, or will be, a child of the
    /// caller. `streams` is closed here once the container has it.
    fn create(&mut self, job: &Job, streams: Option<Streams>) -> Result<i32, Failure>;

    /// Lets the command begin. `Ok` says that it did, as far as can be told.
    fn start(&mut self, job: &Job) -> Result<(), Failure>;

    /// Removes what is left of the container but its control groups and its
    /// state folder, after its first process has been waited for.
    fn delete(&mut self, job: &Job) -> Result<(), Failure>;
}

/// The program that `--runtime` names, `None` for the library.
///
/// # Errors
/// It isn't there.
pub fn choose(name: Option<&str>) -> Result<Option<PathBuf>> {
    let Some(name) = name.filter(|n| *n != "builtin") else {
        return Ok(None);
    };
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![PathBuf::from(name)]
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let system = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
        std::env::split_paths(&path).chain(system).map(|dir| dir.join(name)).collect()
    };
    for candidate in candidates {
        if is_there(&candidate)? {
            return std::path::absolute(&candidate)
                .map(Some)
                .map_err(|e| Error::io_at("find the runtime", &candidate, e));
        }
    }
    let why = "there is no such program; without this option, the built-in one is used";
    Err(Error::refused(&format!("--runtime {name}"), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_are_found_or_refused_by_name() {
        assert_eq!(choose(None).unwrap(), None);
        assert_eq!(choose(Some("builtin")).unwrap(), None);
        assert!(choose(Some("sh")).unwrap().unwrap().is_absolute());
        let error = choose(Some("no-such-runtime")).unwrap_err().to_string();
        assert!(error.starts_with("--runtime no-such-runtime: "), "{error}");
    }
}
