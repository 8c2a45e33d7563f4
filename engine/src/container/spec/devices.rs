//! Device nodes inside a container, and which devices it may use.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    LinuxDevice, LinuxDeviceBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType,
};

use crate::container::error::{Error, Result};
use crate::container::request::RunRequest;
use crate::container::value::DeviceMapping;

/// Nodes beyond the runtime's own (null, zero, full, random, urandom, tty),
/// and rules: what is in none of them may not be opened.
#[derive(Debug, Default)]
pub struct Devices {
    /// Nodes to make.
    pub nodes: Vec<LinuxDevice>,
    /// Rules, the last that fits wins.
    pub rules: Vec<LinuxDeviceCgroup>,
}

/// What `--device` and `--privileged` give.
///
/// # Errors
/// A path that isn't a device, or a folder with none in it.
pub fn devices(request: &RunRequest) -> Result<Devices> {
    let mut found = Devices::default();
    if request.privileged {
        found.rules.push(rule(None, "rwm", true)?);
        found.add_tree(Path::new("/dev"), Path::new("/dev"), None)?;
    } else {
        found.default_rules()?;
    }
    for mapping in &request.devices {
        found.map(mapping, request.privileged)?;
    }
    Ok(found)
}

impl Devices {
    /// Nothing, but for the devices that can't be told from files: null, zero,
    /// full, random, urandom, tty and the console.
    fn default_rules(&mut self) -> Result<()> {
        self.rules.push(rule(None, "rwm", false)?);
        for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1)] {
            self.rules.push(rule(Some((LinuxDeviceType::C, major, minor)), "rwm", true)?);
        }
        Ok(())
    }

    fn map(&mut self, mapping: &DeviceMapping, privileged: bool) -> Result<()> {
        // Every device is there already, under its own name.
        if privileged && mapping.host == mapping.container {
            return Ok(());
        }
        let given = Path::new(&mapping.host);
        let host =
            fs::canonicalize(given).map_err(|e| Error::io_at("find the device", given, e))?;
        let letters = (!privileged).then(|| mapping.access.as_letters());
        let before = self.nodes.len();
        let meta = fs::metadata(&host).map_err(|e| Error::io_at("look at", &host, e))?;
        if meta.is_dir() {
            self.add_tree(&host, Path::new(&mapping.container), letters.as_deref())?;
        } else {
            self.add(&meta, PathBuf::from(&mapping.container), letters.as_deref())?;
        }
        if self.nodes.len() == before {
            return Err(Error::refused(
                &format!("--device {}", mapping.host),
                "it is neither a device nor a folder with devices in it",
            ));
        }
        Ok(())
    }

    /// Every device beneath a folder of the host.
    fn add_tree(&mut self, host: &Path, container: &Path, letters: Option<&str>) -> Result<()> {
        let at = |e| Error::io_at("list", host, e);
        for entry in fs::read_dir(host).map_err(at)? {
            let entry = entry.map_err(at)?;
            let meta = entry.metadata().map_err(|e| Error::io_at("look at", &entry.path(), e))?;
            let inside = container.join(entry.file_name());
            if !meta.is_dir() {
                self.add(&meta, inside, letters)?;
            } else if !is_private(&entry.path()) {
                self.add_tree(&entry.path(), &inside, letters)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, meta: &fs::Metadata, path: PathBuf, letters: Option<&str>) -> Result<()> {
        let kind = match meta.file_type() {
            t if t.is_block_device() => LinuxDeviceType::B,
            t if t.is_char_device() => LinuxDeviceType::C,
            _ => return Ok(()),
        };
        // The container has terminals of its own.
        if path == Path::new("/dev/console") || path == Path::new("/dev/ptmx") {
            return Ok(());
        }
        let (major, minor) = numbers(meta.rdev());
        if let Some(letters) = letters {
            self.rules.push(rule(Some((kind, major, minor)), letters, true)?);
        }
        self.nodes.push(describe(node(kind, major, minor, path, meta))?);
        Ok(())
    }
}

/// Folders beneath /dev that each container has for itself.
fn is_private(path: &Path) -> bool {
    ["/dev/pts", "/dev/shm", "/dev/fd", "/dev/mqueue"].iter().any(|p| path == Path::new(p))
}

fn node(
    kind: LinuxDeviceType,
    major: i64,
    minor: i64,
    path: PathBuf,
    meta: &fs::Metadata,
) -> Result<LinuxDevice, OciSpecError> {
    LinuxDeviceBuilder::default()
        .path(path)
        .typ(kind)
        .major(major)
        .minor(minor)
        .file_mode(meta.mode() & 0o7777)
        .uid(meta.uid())
        .gid(meta.gid())
        .build()
}

fn rule(
    device: Option<(LinuxDeviceType, i64, i64)>,
    letters: &str,
    allow: bool,
) -> Result<LinuxDeviceCgroup> {
    let built = LinuxDeviceCgroupBuilder::default().allow(allow).access(letters);
    describe(match device {
        Some((kind, major, minor)) => built.typ(kind).major(major).minor(minor).build(),
        None => built.build(),
    })
}

fn describe<T>(built: Result<T, OciSpecError>) -> Result<T> {
    built.map_err(|e| Error::invalid("can't describe a device").with_source(e))
}

/// Major and minor number.
#[must_use]
pub fn numbers(rdev: u64) -> (i64, i64) {
    (i64::from(rustix::fs::major(rdev)), i64::from(rustix::fs::minor(rdev)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(devices_: &[&str], privileged: bool) -> Result<Devices> {
        devices(&RunRequest {
            devices: devices_.iter().map(|d| d.parse().unwrap()).collect(),
            privileged,
            ..RunRequest::default()
        })
    }

    #[test]
    fn nothing_but_harmless_devices() {
        let plain = with(&[], false).unwrap();
        assert!(plain.nodes.is_empty());
        assert!(!plain.rules[0].allow());
        assert!(plain.rules[1..].iter().all(|r| r.allow() && r.major().is_some()));
    }

    #[test]
    fn one_device_under_another_name() {
        let devices = with(&["/dev/full:/dev/brim:rw"], false).unwrap();
        assert_eq!(devices.nodes[0].path(), Path::new("/dev/brim"));
        let rule = devices.rules.last().unwrap();
        assert_eq!((rule.major(), rule.minor()), (Some(1), Some(7)));
        assert_eq!(rule.access().as_deref(), Some("rw"));
    }

    #[test]
    fn what_is_no_device_is_refused_by_name() {
        for path in ["/etc/passwd", "/etc/ssl", "/nowhere"] {
            let error = with(&[path], false).unwrap_err().to_string();
            assert!(error.contains(path), "{error}");
        }
    }

    #[test]
    fn a_privileged_container_has_all_of_them() {
        let devices = with(&["/dev/null"], true).unwrap();
        assert!(devices.nodes.iter().any(|n| n.path() == Path::new("/dev/null")));
        assert!(devices.nodes.iter().all(|n| !n.path().starts_with("/dev/pts")));
        assert!(devices.rules.len() == 1 && devices.rules[0].allow());
    }
}
