//! The values that flags take: text in, typed value out, no I/O.
//!
//! Each type implements `FromStr`, so a command line can use it as it is. The
//! syntaxes and units are Docker's; where a value can be understood but not
//! honoured here, parsing succeeds and the check comes later, because that
//! answer depends on the machine.

mod bytes;
mod capability;
mod cpu;
mod device;
mod env;
mod host;
mod idmap;
mod mount;
mod network;
mod security;
mod signal;
mod tmpfs;
mod ulimit;
mod user;
mod volume;

use std::fmt;

pub use bytes::{Bytes, DeviceRate, SwapLimit};
pub use capability::CapName;
pub use cpu::{CpuSet, Cpus};
pub use device::{DeviceAccess, DeviceMapping};
pub use env::{EnvEntry, Label, parse_env_file, parse_label_file};
pub use host::{DnsServer, HostEntry};
pub use idmap::{IdRange, UsernsRemap, lookup_subordinate};
pub use mount::MountArg;
pub use network::{Network, PidMode};
pub use security::{Seccomp, SecurityOpt};
pub use signal::StopSignal;
pub use tmpfs::Tmpfs;
pub use ulimit::Ulimit;
pub use user::{GroupSpec, UserSpec};
pub use volume::{Propagation, Volume};

/// Why a flag's value can't be understood, in words that quote the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError(String);

impl ValueError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ValueError {}

impl From<ValueError> for super::Error {
    fn from(e: ValueError) -> Self {
        Self::invalid(e.0)
    }
}

/// Fails with the formatted text.
macro_rules! refuse {
    ($($t:tt)*) => { return Err($crate::container::value::ValueError::new(format!($($t)*))) };
}
use refuse;

/// A path inside a container: absolute, and not the root itself, over which
/// nothing can be mounted.
fn container_path(flag: &str, text: &str) -> Result<String, ValueError> {
    if !text.starts_with('/') {
        refuse!("{flag}: the path in the container must be absolute, not {text:?}");
    }
    if text.split('/').any(|part| part == "..") {
        refuse!("{flag}: the path in the container can't contain '..': {text:?}");
    }
    let clean: Vec<&str> = text.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    if clean.is_empty() {
        refuse!("{flag}: the path in the container can't be '/'");
    }
    Ok(format!("/{}", clean.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_paths() {
        assert_eq!(container_path("-v", "/a//b/./c/").as_deref(), Ok("/a/b/c"));
        for bad in ["", "a", "/", "//", "/a/../b", "/.."] {
            assert!(container_path("-v", bad).is_err(), "{bad}");
        }
    }
}
