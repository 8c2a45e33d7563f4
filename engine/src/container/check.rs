//! What can't be honoured here is refused by name, before anything is made.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use graphdriver_api::Traits;
use oci_spec::runtime::Capability;
use rustix::process::getrlimit;

use super::cgroup;
use super::error::{Error, Result};
use super::host::{HostFacts, find_init, is_there};
use super::request::{ImageConfig, RunRequest};
use super::runtime;
use super::spec::{Decisions, IdRanges};
use super::value::{
    IdRange, MountArg, Network, PidMode, Propagation, Ulimit, UsernsRemap, lookup_subordinate,
};

/// A request that can be honoured, and everything that finding that out has
/// decided.
#[derive(Debug)]
pub(super) struct Checked {
    /// What goes into the runtime's specification.
    pub(super) decisions: Decisions,
    /// The ids behind the container's.
    pub(super) ids: Option<IdRanges>,
    /// The program instead of the library.
    pub(super) runtime: Option<PathBuf>,
    /// The program for `--init`.
    pub(super) init: Option<PathBuf>,
}

/// Checks everything. Reads, and changes nothing.
///
/// # Errors
/// The first request that can't be honoured.
pub(super) fn check(
    request: &RunRequest,
    image: &ImageConfig,
    host: &HostFacts,
    driver: &Traits,
) -> Result<Checked> {
    let runtime = runtime::choose(request.runtime.as_deref())?;
    names(request)?;
    terminal(request)?;
    mounts(request, host)?;
    user_namespace(request, driver)?;
    if runtime.is_none() {
        built_in_runtime(request)?;
    }
    request.ulimits.iter().try_for_each(|limit| ulimit(limit, host))?;
    cgroup::check(&request.limits, host)?;
    let init = request.init.then(|| init(request)).transpose()?;
    let ids = request.userns.as_ref().map(ids).transpose()?;
    let decisions = Decisions::make(request, image, host)?;
    Ok(Checked { decisions, ids, runtime, init })
}

fn names(request: &RunRequest) -> Result<()> {
    if let Some(name) = &request.name
        && !is_name(name)
    {
        let why = "a name has two or more letters, digits, '_', '.' and '-', and begins with a letter or digit";
        return Err(Error::refused(&format!("--name {name:?}"), why));
    }
    // sethostname(2) takes 64 bytes.
    match &request.hostname {
        Some(name) if name.is_empty() || name.len() > 64 || name.contains(['\n', '\0', ' ']) => {
            Err(Error::refused(&format!("--hostname {name:?}"), "not a host name"))
        }
        _ => Ok(()),
    }
}

/// Docker's rule.
fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && name.len() >= 2
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

fn terminal(request: &RunRequest) -> Result<()> {
    if request.tty && request.interactive && !io::stdin().is_terminal() {
        return Err(Error::refused("--tty", "standard input isn't a terminal"));
    }
    Ok(())
}

fn mounts(request: &RunRequest, host: &HostFacts) -> Result<()> {
    for volume in &request.volumes {
        let flag = format!("--volume {}", volume.source);
        if !volume.source.starts_with('/') {
            return Err(Error::refused(
                &flag,
                "named volumes aren't supported yet: give an absolute path",
            ));
        }
        if volume.relabel && host.selinux {
            return Err(Error::refused(
                &flag,
                "SELinux labels aren't supported: leave out z and Z",
            ));
        }
    }
    for mount in &request.mounts {
        match mount {
            MountArg::Bind { source, .. } if !is_there(Path::new(source))? => {
                let flag = format!("--mount source={source}");
                return Err(Error::refused(&flag, "there is no such path"));
            }
            MountArg::Volume => {
                let why = "volumes aren't supported yet: use type=bind or type=tmpfs";
                return Err(Error::refused("--mount type=volume", why));
            }
            _ => {}
        }
    }
    Ok(())
}

fn user_namespace(request: &RunRequest, driver: &Traits) -> Result<()> {
    let refuse = |why: &str| Err(Error::refused("--userns-remap", why));
    if request.userns.is_none() {
        return Ok(());
    }
    if request.privileged {
        return refuse("excludes --privileged, which is about the host's own root");
    }
    if request.network == Network::Host {
        return refuse("excludes --network host, whose /sys no other user namespace may mount");
    }
    if request.pid == PidMode::Host {
        return refuse("excludes --pid host, whose /proc no other user namespace may mount");
    }
    if !driver.id_maps {
        return refuse("the storage driver can't show layers with other owners here");
    }
    Ok(())
}

/// What the library that is built in can't do.
fn built_in_runtime(request: &RunRequest) -> Result<()> {
    const OTHER: &str = "needs another runtime: add --runtime runc or --runtime crun";
    let volumes = request.volumes.iter().map(|v| (&v.target, v.propagation));
    let binds = request.mounts.iter().filter_map(|m| match m {
        MountArg::Bind { target, propagation, .. } => Some((target, *propagation)),
        _ => None,
    });
    for (target, propagation) in volumes.chain(binds) {
        match propagation {
            None | Some(Propagation::Private | Propagation::RPrivate) => {}
            Some(other) => {
                let flag = format!("the mount option '{}' of {target}", other.as_str());
                return Err(Error::refused(&flag, OTHER));
            }
        }
        if target == "/dev" {
            return Err(Error::refused("a mount over /dev", OTHER));
        }
    }
    let renamed = request.devices.iter().find(|d| d.host != d.container);
    match renamed {
        // With mapped ids, nodes can't be made, only the host's be shown.
        Some(device) if request.userns.is_some() => {
            let flag = format!("--device {}:{}", device.host, device.container);
            Err(Error::refused(&flag, "with --userns-remap, a device keeps its name"))
        }
        _ => Ok(()),
    }
}

/// Limits can be lowered by everybody and raised by few.
fn ulimit(limit: &Ulimit, host: &HostFacts) -> Result<()> {
    let most = getrlimit(limit.resource).maximum.unwrap_or(u64::MAX);
    if limit.hard > most && !host.caps.contains(&Capability::SysResource) {
        let flag = format!("--ulimit {}={}:{}", limit.name, limit.soft, limit.hard);
        let why = format!("this process can't raise its own limit, which is {most}");
        return Err(Error::refused(&flag, why));
    }
    Ok(())
}

fn init(request: &RunRequest) -> Result<PathBuf> {
    if request.pid == PidMode::Host {
        return Err(Error::refused("--init", "excludes --pid host, which has an init process"));
    }
    find_init()
}

fn ids(remap: &UsernsRemap) -> Result<IdRanges> {
    match remap {
        UsernsRemap::Ranges { users, groups } => Ok(IdRanges { users: *users, groups: *groups }),
        UsernsRemap::Names { user, group } => Ok(IdRanges {
            users: subordinate("/etc/subuid", user)?,
            groups: subordinate("/etc/subgid", group)?,
        }),
    }
}

fn subordinate(path: &str, name: &str) -> Result<IdRange> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(Error::io_at("read", Path::new(path), e)),
    };
    lookup_subordinate(&text, name).ok_or_else(|| {
        let why = format!("{path} gives no ids to {name:?}; add some with usermod --add-subuids");
        Error::refused("--userns-remap", why)
    })
}

#[cfg(test)]
mod tests {
    use graphdriver_api::CopyUnit;

    use super::*;

    fn driver(id_maps: bool) -> Traits {
        Traits {
            max_depth: None,
            rebase: false,
            exact_diff: true,
            directory_rename: true,
            longest_moved_path: None,
            hard_links_survive_write: true,
            readers_see_writes: true,
            inodes_are_stable: true,
            zero_device: true,
            id_maps,
            rootless: false,
            copy_unit: CopyUnit::Tree,
        }
    }

    fn refusal(change: impl FnOnce(&mut RunRequest)) -> String {
        let mut request = RunRequest { command: vec!["true".into()], ..RunRequest::default() };
        change(&mut request);
        let host = HostFacts::probe().unwrap();
        check(&request, &ImageConfig::default(), &host, &driver(true))
            .map_or_else(|e| e.to_string(), |_| "accepted".into())
    }

    #[test]
    fn a_plain_request_is_accepted() {
        assert_eq!(refusal(|_| {}), "accepted");
    }

    #[test]
    fn refusals_name_the_flag() {
        let remap = |r: &mut RunRequest| r.userns = Some("100000:100000".parse().unwrap());
        for (says, refused) in [
            ("--name \"a\"", refusal(|r| r.name = Some("a".into()))),
            ("--name \"-ab\"", refusal(|r| r.name = Some("-ab".into()))),
            ("--name \"a b\"", refusal(|r| r.name = Some("a b".into()))),
            ("--hostname", refusal(|r| r.hostname = Some("x".repeat(65)))),
            ("named volumes", refusal(|r| r.volumes = vec!["data:/d".parse().unwrap()])),
            ("--mount type=volume", refusal(|r| r.mounts = vec!["dst=/d".parse().unwrap()])),
            (
                "no such path",
                refusal(|r| r.mounts = vec!["type=bind,src=/nowhere,dst=/d".parse().unwrap()]),
            ),
            ("'rshared'", refusal(|r| r.volumes = vec!["/:/h:rshared".parse().unwrap()])),
            ("over /dev", refusal(|r| r.volumes = vec!["/dev:/dev".parse().unwrap()])),
            ("--runtime odd", refusal(|r| r.runtime = Some("odd".into()))),
            (
                "--privileged",
                refusal(|r| {
                    remap(r);
                    r.privileged = true;
                }),
            ),
            (
                "--network host",
                refusal(|r| {
                    remap(r);
                    r.network = Network::Host;
                }),
            ),
            (
                "--pid host",
                refusal(|r| {
                    remap(r);
                    r.pid = PidMode::Host;
                }),
            ),
            (
                "--init",
                refusal(|r| {
                    r.init = true;
                    r.pid = PidMode::Host;
                }),
            ),
            (
                "keeps its name",
                refusal(|r| {
                    remap(r);
                    r.devices = vec!["/dev/full:/dev/f".parse().unwrap()];
                }),
            ),
            ("/etc/subuid", refusal(|r| r.userns = Some("no-such-user".parse().unwrap()))),
        ] {
            assert!(refused.contains(says), "{says}: {refused}");
        }
    }

    #[test]
    fn a_driver_without_id_maps_has_no_user_namespaces() {
        let request = RunRequest {
            command: vec!["true".into()],
            userns: Some("1000:1000".parse().unwrap()),
            ..RunRequest::default()
        };
        let host = HostFacts::probe().unwrap();
        let image = ImageConfig::default();
        let error = check(&request, &image, &host, &driver(false)).unwrap_err().to_string();
        assert!(error.starts_with("--userns-remap: "), "{error}");
        assert!(check(&request, &image, &host, &driver(true)).is_ok());
    }

    #[test]
    fn limits_can_be_lowered_and_not_raised() {
        let mut host = HostFacts::probe().unwrap();
        host.caps.remove(&Capability::SysResource);
        let most = getrlimit(rustix::process::Resource::Nofile).maximum.unwrap();
        let of = |n: u64| ulimit(&format!("nofile={n}").parse().unwrap(), &host);
        assert!(of(most).is_ok() && of(most - 1).is_ok());
        assert!(of(most + 1).unwrap_err().to_string().contains("nofile"));
        host.caps.insert(Capability::SysResource);
        assert!(ulimit(&format!("nofile={}", most + 1).parse().unwrap(), &host).is_ok());
    }
}
