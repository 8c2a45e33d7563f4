//! The runtime specification's `config.json` for one container: from what the
//! user asked for, what the image says and what this machine has. Everything
//! here is computed; but for the devices and a seccomp file that the user
//! names, nothing is read, and nothing is written.

pub mod caps;
pub mod devices;
mod linux;
pub mod mounts;
mod process;
pub mod resources;
pub mod seccomp;
pub mod security;

use std::path::Path;

use oci_spec::runtime::{Root, RootBuilder, Spec};

use self::caps::CapSet;
use self::devices::Devices;
use self::mounts::Supplied;
use self::security::Security;
use super::error::{Error, Result};
use super::host::HostFacts;
use super::request::{ImageConfig, RunRequest};
use super::rootfs::ResolvedUser;
use super::value::IdRange;

pub use process::{INIT_PATH, command, environment, working_directory};

/// The ids of the host behind a container's, for users and for groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRanges {
    /// Users.
    pub users: IdRange,
    /// Groups.
    pub groups: IdRange,
}

/// Decisions that are made before anything is created, because each can be a
/// refusal.
#[derive(Debug)]
pub struct Decisions {
    /// The capabilities.
    pub caps: CapSet,
    /// The fences.
    pub security: Security,
    /// The devices.
    pub devices: Devices,
    /// The command's words.
    pub command: Vec<String>,
}

impl Decisions {
    /// Makes them.
    ///
    /// # Errors
    /// The first request that can't be honoured, by its flag's name.
    pub fn make(request: &RunRequest, image: &ImageConfig, host: &HostFacts) -> Result<Self> {
        let caps =
            caps::resolve(request.privileged, &request.cap_add, &request.cap_drop, &host.caps)?;
        let security = security::resolve(request, &caps, host)?;
        let devices = devices::devices(request)?;
        let command = command(request, image)?;
        Ok(Self { caps, security, devices, command })
    }
}

/// Everything else that a specification is made of.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// What the user asked for.
    pub request: &'a RunRequest,
    /// What the image says.
    pub image: &'a ImageConfig,
    /// What this machine has.
    pub host: &'a HostFacts,
    /// The container's root directory on the host.
    pub rootfs: &'a Path,
    /// The user of the command.
    pub user: ResolvedUser,
    /// The container's name for itself.
    pub hostname: &'a str,
    /// Files made for this container.
    pub supplied: &'a [Supplied],
    /// The container's control group.
    pub cgroup: &'a Path,
    /// The ids behind the container's; `None` without a user namespace.
    pub ids: Option<IdRanges>,
    /// The value of a variable in the caller's environment.
    pub inherit: fn(&str) -> Option<String>,
}

/// Puts the specification together.
///
/// # Errors
/// A working directory that isn't absolute; two mounts in one place; a
/// throttled device that isn't one.
pub fn build(decisions: Decisions, inputs: &Inputs<'_>) -> Result<Spec> {
    let Inputs { request, image, .. } = inputs;
    let mut args = decisions.command;
    if request.init {
        args.splice(0..0, [INIT_PATH.to_owned(), "--".to_owned()]);
    }
    let parts = process::Parts {
        args,
        env: environment(request, image, inputs.hostname, &inputs.user.home, inputs.inherit),
        cwd: working_directory(request, image)?,
        user: inputs.user.clone(),
        caps: caps::sets(&decisions.caps)?,
    };
    let mut spec = Spec::default();
    spec.set_process(Some(process::process(parts, request, &decisions.security)?))
        .set_root(Some(root(inputs.rootfs, request.read_only)?))
        .set_hostname(Some(inputs.hostname.to_owned()))
        .set_mounts(Some(mounts::mounts(request, inputs.supplied)?))
        .set_linux(Some(linux::linux(inputs, decisions.security, decisions.devices)?));
    Ok(spec)
}

fn root(path: &Path, read_only: bool) -> Result<Root> {
    RootBuilder::default()
        .path(path)
        .readonly(read_only)
        .build()
        .map_err(|e| Error::invalid("can't describe the root directory").with_source(e))
}
