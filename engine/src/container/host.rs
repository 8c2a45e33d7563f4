//! What this machine and this process can do, looked at once per command.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::cgroup::Layout;
use super::error::{Error, Result};
use super::spec::caps::{self, CapSet};
use super::value::CpuSet;

/// Facts that decide which requests can be honoured.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// Capabilities that this process has and can hand on.
    pub caps: CapSet,
    /// The kernel's major and minor version.
    pub kernel: (u32, u32),
    /// How control groups are mounted.
    pub cgroups: Layout,
    /// The processors that are there.
    pub cpus: CpuSet,
    /// How many they are.
    pub cpu_count: u64,
    /// Whether AppArmor is in the kernel and switched on.
    pub apparmor: bool,
    /// Whether SELinux is in the kernel and switched on.
    pub selinux: bool,
    /// The machine's name.
    pub hostname: String,
}

impl HostFacts {
    /// Looks at the machine: some ten small reads beneath /proc and /sys.
    ///
    /// # Errors
    /// /proc or /sys isn't mounted or can't be read.
    pub fn probe() -> Result<Self> {
        let uname = rustix::system::uname();
        let online = read("/sys/devices/system/cpu/online")?;
        let cpus: CpuSet = online.trim().parse()?;
        Ok(Self {
            caps: caps::from_mask(transferable_mask(&read("/proc/self/status")?)?),
            kernel: kernel_version(&uname.release().to_string_lossy()),
            cgroups: Layout::probe()?,
            cpu_count: cpus.len(),
            cpus,
            apparmor: starts_with_y(Path::new("/sys/module/apparmor/parameters/enabled"))?,
            selinux: is_there(Path::new("/sys/fs/selinux/enforce"))?,
            hostname: uname.nodename().to_string_lossy().into_owned(),
        })
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(|e| Error::io_at("read", Path::new(path), e))
}

fn starts_with_y(path: &Path) -> Result<bool> {
    match fs::read(path) {
        Ok(text) => Ok(text.first() == Some(&b'Y')),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::io_at("read", path, e)),
    }
}

/// Whether there is a file of that name; an error of the medium isn't absence.
pub(super) fn is_there(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|e| Error::io_at("look at", path, e))
}

/// The capabilities that are both permitted and in the bounding set: only
/// those survive in a process that this one starts.
fn transferable_mask(status: &str) -> Result<u64> {
    let field = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
            .ok_or_else(|| Error::invalid(format!("/proc/self/status has no {name}")))
    };
    Ok(field("CapPrm")? & field("CapBnd")?)
}

/// The first two numbers of a kernel release; 0.0 for one that isn't Linux's.
fn kernel_version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// A static program that can be a container's process 1, reaping and
/// forwarding signals, for `--init`.
///
/// It has to be static: inside the container its loader and libraries are
/// another system's, or aren't there.
///
/// # Errors
/// None is installed; the message names those that would do.
pub fn find_init() -> Result<PathBuf> {
    const PLACES: [&str; 6] = [
        "/usr/libexec/podman/catatonit",
        "/usr/bin/catatonit",
        "/usr/bin/docker-init",
        "/usr/libexec/docker/docker-init",
        "/usr/bin/tini-static",
        "/usr/bin/tini",
    ];
    for place in PLACES.map(Path::new) {
        if is_there(place)? && is_static(place)? {
            return Ok(place.to_owned());
        }
    }
    Err(Error::refused(
        "--init",
        "no static init program is installed: install catatonit, or tini (for tini-static)",
    ))
}

/// Whether an ELF program has no interpreter (elf(5): a program header of type
/// `PT_INTERP`), so that it runs in any file tree.
fn is_static(path: &Path) -> Result<bool> {
    let image = fs::read(path).map_err(|e| Error::io_at("read", path, e))?;
    Ok(elf_has_interpreter(&image) == Some(false))
}

fn elf_has_interpreter(image: &[u8]) -> Option<bool> {
    const PT_INTERP: u32 = 3;
    let wide = image.get(..5)? == b"\x7fELF\x02";
    let number = |at: usize, size: usize| {
        let mut bytes = [0; 8];
        bytes.get_mut(..size)?.copy_from_slice(image.get(at..at + size)?);
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    };
    let (table, entry, count) = if wide {
        (number(32, 8)?, number(54, 2)?, number(56, 2)?)
    } else {
        (number(28, 4)?, number(42, 2)?, number(44, 2)?)
    };
    for i in 0..count {
        if number(table + i * entry, 4)? == PT_INTERP as usize {
            return Some(true);
        }
    }
    image.starts_with(b"\x7fELF").then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_be_probed() {
        let facts = HostFacts::probe().unwrap();
        assert!(facts.kernel > (4, 0) && facts.cpu_count > 0);
    }

    #[test]
    fn only_capabilities_that_survive_count() {
        let status = "Name:\tx\nCapPrm:\t0000000000000003\nCapEff:\t0\nCapBnd:\t0000000000000006\n";
        assert_eq!(transferable_mask(status).unwrap(), 2);
        assert!(transferable_mask("CapPrm:\t1\n").is_err());
    }

    #[test]
    fn kernel_versions() {
        assert_eq!(kernel_version("6.18.44-fc-v657"), (6, 18));
        assert_eq!(kernel_version("5.10"), (5, 10));
        assert_eq!(kernel_version("odd"), (0, 0));
    }

    #[test]
    fn programs_with_a_loader_are_told_apart() {
        assert_eq!(elf_has_interpreter(b""), None);
        assert_eq!(elf_has_interpreter(b"#!/bin/sh\n"), None);
        let own = fs::read("/proc/self/exe").unwrap();
        assert_eq!(elf_has_interpreter(&own), Some(true));
        if let Ok(busybox) = fs::read("/bin/busybox") {
            assert_eq!(elf_has_interpreter(&busybox), Some(false));
        }
    }
}
