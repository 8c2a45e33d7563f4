//! Which devices a container may use, where control groups are of version 2.
//!
//! Version 1 has files for it (`devices.allow`), which the runtime writes.
//! Version 2 has none: without a program that the kernel asks, everybody who
//! can make a device node, as a container's root can, reads the host's disks.
//! The built-in runtime's library leaves that out, so it is done here.

mod program;

use std::fs::File;
use std::path::Path;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType};
use rustix::io::Errno;

use super::Layout;
use super::layout::existing;
use crate::container::error::{Error, ErrorKind, Result};

/// Puts the processes of a container's control group under `rules`, of which
/// the last that names a device and a kind of access counts, and under those
/// that every runtime adds. Call it when the group is there and before the
/// command runs. Does nothing where version 1 takes care of it.
///
/// # Errors
/// The group isn't there, or the kernel won't have the program: the container
/// must not run then.
pub fn fence_devices(layout: &Layout, group: &Path, rules: &[LinuxDeviceCgroup]) -> Result<()> {
    match layout {
        Layout::Legacy { .. } => Ok(()),
        Layout::Unified { mount, .. } => fence(mount, group, rules),
    }
}

fn fence(mount: &Path, group: &Path, rules: &[LinuxDeviceCgroup]) -> Result<()> {
    let Some(dir) = existing(mount, group)? else {
        return Err(Error::io_at("find the control group", group, Errno::NOENT));
    };
    let program = program::of(&[rules, &always()?].concat())?;
    let folder = File::open(&dir).map_err(|e| Error::io_at("open", &dir, e))?;
    sapwood_sys::device_program::attach(&folder, &program).map_err(|e| {
        let what = "the container's devices can't be fenced off, as the kernel loads no program \
                    for it (CONFIG_CGROUP_BPF)";
        Error::new(ErrorKind::Runtime, what).with_source(std::io::Error::from(e))
    })
}

/// What runtimes allow whatever the specification says: to make any node, which
/// is not to use it, and to have terminals.
fn always() -> Result<Vec<LinuxDeviceCgroup>> {
    let any = |kind| (kind, None, None, "m");
    let terminal = |major, minor| (LinuxDeviceType::C, Some(major), minor, "rwm");
    [any(LinuxDeviceType::C), any(LinuxDeviceType::B), terminal(136, None), terminal(5, Some(2))]
        .into_iter()
        .map(|(kind, major, minor, access)| {
            let mut rule = LinuxDeviceCgroupBuilder::default().allow(true).typ(kind).access(access);
            if let Some(major) = major {
                rule = rule.major(major);
            }
            if let Some(minor) = minor {
                rule = rule.minor(minor);
            }
            rule.build().map_err(|e| Error::invalid("can't describe a device").with_source(e))
        })
        .collect()
}

#[cfg(test)]
mod tests;
