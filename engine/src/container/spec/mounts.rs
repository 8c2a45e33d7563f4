//! What is mounted inside a container, and in which order.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use oci_spec::OciSpecError;
use oci_spec::runtime::{Mount, MountBuilder};

use crate::container::error::{Error, Result};
use crate::container::request::RunRequest;
use crate::container::value::{Bytes, MountArg, Propagation, Tmpfs, Volume};

/// What `/dev/shm` holds unless told otherwise: 64 MiB, as Docker has it.
const SHM_SIZE: Bytes = Bytes(64 << 20);

/// A file made for one container, and where it appears.
#[derive(Debug, Clone)]
pub struct Supplied {
    /// On the host.
    pub source: PathBuf,
    /// Inside.
    pub target: &'static str,
    /// Whether the container may not write to it.
    pub read_only: bool,
}

/// All mounts: the runtime's usual ones, then those supplied and the user's,
/// outer ones before inner ones. A user's mount replaces what is supplied at
/// its place, and the usual ones also beneath it.
///
/// # Errors
/// Two of the user's mounts have one place.
pub fn mounts(request: &RunRequest, supplied: &[Supplied]) -> Result<Vec<Mount>> {
    let user = user_mounts(request)?;
    if let Some(place) = doubled(&user) {
        return Err(Error::invalid(format!("two mounts have the same place {}", place.display())));
    }
    let mut inner = user.clone();
    for file in supplied.iter().filter(|f| !has_place(&user, Path::new(f.target))) {
        inner.push(describe(bind(&file.source, file.target, options(file.read_only, None, true)))?);
    }
    inner.sort_by_key(|m| m.destination().components().count());

    let mut all = describe(standard(request))?;
    all.retain(|m| !user.iter().any(|u| m.destination().starts_with(u.destination())));
    all.extend(inner);
    Ok(all)
}

fn has_place(mounts: &[Mount], place: &Path) -> bool {
    mounts.iter().any(|m| m.destination() == place)
}

fn doubled(mounts: &[Mount]) -> Option<&Path> {
    let mut seen = HashSet::new();
    mounts.iter().map(|m| m.destination().as_path()).find(|place| !seen.insert(*place))
}

fn describe<T>(built: Result<T, OciSpecError>) -> Result<T> {
    built.map_err(|e| Error::invalid("can't describe a mount").with_source(e))
}

fn mount(kind: &str, source: &str, target: &str, options: &[&str]) -> Result<Mount, OciSpecError> {
    MountBuilder::default()
        .typ(kind)
        .source(source)
        .destination(target)
        .options(options.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>())
        .build()
}

fn standard(request: &RunRequest) -> Result<Vec<Mount>, OciSpecError> {
    let shm = format!("size={}", request.shm_size.unwrap_or(SHM_SIZE).0);
    let sys: &[&str] = match request.privileged {
        true => &["nosuid", "noexec", "nodev"],
        false => &["nosuid", "noexec", "nodev", "ro"],
    };
    Ok(vec![
        mount("proc", "proc", "/proc", &["nosuid", "noexec", "nodev"])?,
        mount("tmpfs", "tmpfs", "/dev", &["nosuid", "strictatime", "mode=755", "size=65536k"])?,
        mount(
            "devpts",
            "devpts",
            "/dev/pts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        )?,
        mount("sysfs", "sysfs", "/sys", sys)?,
        mount("cgroup", "cgroup", "/sys/fs/cgroup", sys)?,
        mount("mqueue", "mqueue", "/dev/mqueue", &["nosuid", "noexec", "nodev"])?,
        mount("tmpfs", "shm", "/dev/shm", &["nosuid", "noexec", "nodev", "mode=1777", &shm])?,
    ])
}

fn bind(
    source: &Path,
    target: impl Into<PathBuf>,
    options: Vec<String>,
) -> Result<Mount, OciSpecError> {
    MountBuilder::default()
        .typ("bind")
        .source(source)
        .destination(target.into())
        .options(options)
        .build()
}

fn options(read_only: bool, propagation: Option<Propagation>, recursive: bool) -> Vec<String> {
    let propagation = propagation.unwrap_or(Propagation::RPrivate).as_str();
    let kind = if recursive { "rbind" } else { "bind" };
    let access = if read_only { "ro" } else { "rw" };
    [kind, propagation, access].map(str::to_owned).to_vec()
}

fn user_mounts(request: &RunRequest) -> Result<Vec<Mount>> {
    let volumes = request.volumes.iter().map(volume);
    let args = request.mounts.iter().filter_map(argument);
    let tmpfs = request.tmpfs.iter().map(memory);
    volumes.chain(args).chain(tmpfs).map(describe).collect()
}

fn volume(volume: &Volume) -> Result<Mount, OciSpecError> {
    let options = options(volume.read_only, volume.propagation, true);
    bind(Path::new(&volume.source), &volume.target, options)
}

fn argument(argument: &MountArg) -> Option<Result<Mount, OciSpecError>> {
    match argument {
        MountArg::Bind { source, target, read_only, non_recursive, propagation } => {
            let options = options(*read_only, *propagation, !non_recursive);
            Some(bind(Path::new(source), target, options))
        }
        MountArg::Tmpfs { target, size, mode, read_only } => {
            let mut options = vec!["nosuid".to_owned(), "nodev".into(), "noexec".into()];
            options.push(format!("mode={:o}", mode.unwrap_or(0o1777)));
            options.extend(size.map(|s| format!("size={}", s.0)));
            options.extend(read_only.then(|| "ro".to_owned()));
            Some(tmpfs(target, options))
        }
        MountArg::Volume => None,
    }
}

fn memory(wish: &Tmpfs) -> Result<Mount, OciSpecError> {
    tmpfs(&wish.target, wish.options.clone())
}

fn tmpfs(target: &str, options: Vec<String>) -> Result<Mount, OciSpecError> {
    MountBuilder::default()
        .typ("tmpfs")
        .source("tmpfs")
        .destination(target)
        .options(options)
        .build()
}

/// The paths of /proc and /sys that a container can't see.
#[must_use]
pub fn masked_paths() -> Vec<String> {
    [
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The paths that a container can see and not write to.
#[must_use]
pub fn read_only_paths() -> Vec<String> {
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        .map(str::to_owned)
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(mounts: &[Mount]) -> Vec<&str> {
        mounts.iter().filter_map(|m| m.destination().to_str()).collect()
    }

    fn with(change: impl FnOnce(&mut RunRequest)) -> Result<Vec<Mount>> {
        let mut request = RunRequest::default();
        change(&mut request);
        let hosts = Supplied { source: "/run/h".into(), target: "/etc/hosts", read_only: false };
        mounts(&request, &[hosts])
    }

    #[test]
    fn the_usual_mounts() {
        let all = with(|_| {}).unwrap();
        assert_eq!(
            places(&all),
            [
                "/proc",
                "/dev",
                "/dev/pts",
                "/sys",
                "/sys/fs/cgroup",
                "/dev/mqueue",
                "/dev/shm",
                "/etc/hosts"
            ]
        );
        let shm = all[6].options().as_ref().unwrap();
        assert!(shm.contains(&"size=67108864".to_owned()));
    }

    #[test]
    fn a_users_mount_replaces_others_at_its_place_and_beneath() {
        let all = with(|r| {
            r.volumes = vec!["/a:/etc/hosts".parse().unwrap(), "/b:/x/y".parse().unwrap()];
            r.tmpfs = vec!["/x".parse().unwrap(), "/dev/shm".parse().unwrap()];
        })
        .unwrap();
        assert_eq!(places(&all).iter().filter(|p| **p == "/etc/hosts").count(), 1);
        assert_eq!(places(&all).iter().filter(|p| **p == "/dev/shm").count(), 1);
        let place = |p| places(&all).iter().position(|q| *q == p).unwrap();
        assert!(place("/x") < place("/x/y"));
        let dev = with(|r| r.volumes = vec!["/d:/dev".parse().unwrap()]).unwrap();
        assert!(places(&dev).iter().filter(|p| p.starts_with("/dev")).count() == 1);
    }

    #[test]
    fn two_mounts_in_one_place_are_refused() {
        let error = with(|r| {
            r.volumes = vec!["/a:/x".parse().unwrap(), "/a:/y".parse().unwrap()];
            r.tmpfs = vec!["/x".parse().unwrap()];
        });
        assert!(error.unwrap_err().to_string().contains("/x"));
    }

    #[test]
    fn privileged_means_writable_kernel_files() {
        let ro = |mounts: &[Mount], place| {
            let at = |m: &&Mount| m.destination() == Path::new(place);
            let options = mounts.iter().find(at).unwrap().options().clone().unwrap();
            options.contains(&"ro".to_owned())
        };
        let plain = with(|_| {}).unwrap();
        let privileged = with(|r| r.privileged = true).unwrap();
        for place in ["/sys", "/sys/fs/cgroup"] {
            assert!(ro(&plain, place) && !ro(&privileged, place), "{place}");
        }
    }
}
