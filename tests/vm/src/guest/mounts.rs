//! The guest's file systems.

use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::mount::{MountFlags, mount};

use crate::guest::{Step, during};
use crate::job::Mounted;

/// Type, place, options. The order matters: what is inside comes after. The kernel has mounted
/// devtmpfs on /dev by itself (CONFIG_DEVTMPFS_MOUNT).
const BASIC: [(&str, &str, &str); 8] = [
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=0620"),
    ("tmpfs", "/dev/shm", "mode=1777"),
    ("tmpfs", "/run", "mode=0755"),
    ("tmpfs", "/tmp", "mode=1777"),
    ("tmpfs", "/mnt", "mode=0755"),
    ("cgroup2", "/sys/fs/cgroup", ""),
];

/// Where the host's own content is hidden by one of [`BASIC`].
const HIDDEN: [&str; 3] = ["/run", "/tmp", "/mnt"];

/// What userspace expects of /dev, and no kernel makes.
const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// Everything that every guest has.
pub(crate) fn basic() -> Step<()> {
    for (kind, place, options) in BASIC {
        let place = Path::new(place);
        if place.starts_with("/dev/") {
            fs::create_dir_all(place).map_err(during(place.display()))?;
        }
        mount_at(OsStr::new(kind), kind, place, MountFlags::empty(), options.as_bytes())?;
    }
    for (target, link) in LINKS {
        symlink(target, link).map_err(during(link))?;
    }
    Ok(())
}

/// A directory of the host, wherever a path of the guest leads by now.
pub(crate) fn host_directory(directory: &OsStr, place: &Path, writable: bool) -> Step<()> {
    fs::create_dir_all(place).map_err(during(place.display()))?;
    let flags = if writable { MountFlags::empty() } else { MountFlags::RDONLY };
    mount_at(OsStr::new("none"), "hostfs", place, flags, directory.as_bytes())
}

/// Brings a directory back that one of the guest's tmpfs hides. Others are visible anyway.
pub(crate) fn share(directory: &OsStr) -> Step<()> {
    let place = Path::new(directory);
    let hidden = HIDDEN.iter().any(|tmpfs| place.starts_with(tmpfs) && place != Path::new(tmpfs));
    if !hidden || place.is_dir() {
        return Ok(());
    }
    host_directory(directory, place, false)
}

/// Mounts a disk, on a directory that is made where that's possible.
pub(crate) fn disk(disk: &Mounted) -> Step<()> {
    let place = Path::new(&disk.path);
    fs::create_dir_all(place).map_err(|error| {
        let place = place.display();
        format!("mount point {place}: {error}: choose one that exists, or beneath /mnt, /run, /tmp")
    })?;
    let device = OsStr::new(&disk.device);
    let options = disk.options.as_bytes();
    mount_at(device, disk.format.name(), place, MountFlags::empty(), options)
}

/// Lets child groups of the root use every controller, as an init system would.
pub(crate) fn pass_controllers_on() -> Step<()> {
    let root = Path::new("/sys/fs/cgroup");
    let there = fs::read_to_string(root.join("cgroup.controllers")).map_err(during("cgroup v2"))?;
    let all: Vec<String> = there.split_whitespace().map(|name| format!("+{name}")).collect();
    fs::write(root.join("cgroup.subtree_control"), all.join(" ")).map_err(during("cgroup v2"))
}

fn mount_at(
    source: &OsStr,
    kind: &str,
    place: &Path,
    flags: MountFlags,
    options: &[u8],
) -> Step<()> {
    let what = || format!("mount {kind} on {}", place.display());
    let options = CString::new(options).map_err(during(what()))?;
    mount(source, place, kind, flags, options.as_c_str()).map_err(during(what()))
}
