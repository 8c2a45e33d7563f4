//! Which control group hierarchies are mounted, and what they control.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::container::error::{Error, Result};

/// Where everything looks for control groups.
const ROOT: &str = "/sys/fs/cgroup";

/// One mounted hierarchy of version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The controllers in it, or `name=…` alone.
    pub controllers: BTreeSet<String>,
}

impl Hierarchy {
    /// Whether it limits anything. systemd's own hierarchy doesn't.
    #[must_use]
    pub fn limits_something(&self) -> bool {
        !self.controllers.iter().any(|c| c.starts_with("name="))
    }
}

/// How control groups are mounted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// One hierarchy, version 2.
    Unified {
        /// Where it is mounted.
        mount: PathBuf,
        /// The controllers of its root.
        controllers: BTreeSet<String>,
    },
    /// Hierarchies of version 1, perhaps with one of version 2 beside them.
    Legacy {
        /// Those of version 1.
        hierarchies: Vec<Hierarchy>,
        /// The one of version 2: without controllers, but it can freeze and kill.
        unified: Option<PathBuf>,
    },
}

impl Layout {
    /// Looks at this machine.
    ///
    /// # Errors
    /// No control groups are mounted at `/sys/fs/cgroup`.
    pub fn probe() -> Result<Self> {
        let path = Path::new("/proc/self/mountinfo");
        let mounts = fs::read_to_string(path).map_err(|e| Error::io_at("read", path, e))?;
        let layout = parse(&mounts);
        match layout {
            Some(Self::Unified { mount, .. }) => {
                let file = mount.join("cgroup.controllers");
                let list = fs::read_to_string(&file).map_err(|e| Error::io_at("read", &file, e))?;
                let controllers = list.split_whitespace().map(str::to_owned).collect();
                Ok(Self::Unified { mount, controllers })
            }
            Some(legacy) => Ok(legacy),
            None => Err(Error::invalid(format!("no control groups are mounted at {ROOT}"))),
        }
    }

    /// Whether a controller, by its name in version 2 (`io` for `blkio`), can
    /// be used.
    #[must_use]
    pub fn has(&self, controller: &str) -> bool {
        match self {
            Self::Unified { controllers, .. } => controllers.contains(controller),
            Self::Legacy { .. } => self.legacy_mount(controller).is_some(),
        }
    }

    /// Whether the file that carries a limit is there, by controller and file
    /// of version 1. Version 2 has no such options of the kernel's build.
    ///
    /// # Errors
    /// The file can't be looked at.
    pub fn has_file(&self, controller: &str, file: &str) -> Result<bool> {
        match self.legacy_mount(controller) {
            Some(mount) => crate::container::host::is_there(&mount.join(file)),
            None => Ok(self.has(controller)),
        }
    }

    fn legacy_mount(&self, controller: &str) -> Option<&Path> {
        self.hierarchy(Some(if controller == "io" { "blkio" } else { controller }))
    }

    /// The root of the hierarchy with a controller, as `/proc/PID/cgroup` names
    /// it; `None` names that of version 2.
    pub(super) fn hierarchy(&self, controller: Option<&str>) -> Option<&Path> {
        match (self, controller) {
            (Self::Unified { mount, .. }, None) => Some(mount),
            (Self::Unified { .. }, Some(_)) => None,
            (Self::Legacy { unified, .. }, None) => unified.as_deref(),
            (Self::Legacy { hierarchies, .. }, Some(name)) => {
                hierarchies.iter().find(|h| h.controllers.contains(name)).map(|h| h.mount.as_path())
            }
        }
    }

    /// The roots of all hierarchies, that of version 2 included.
    pub fn mounts(&self) -> impl Iterator<Item = &Path> {
        let (unified, legacy) = match self {
            Self::Unified { mount, .. } => (Some(mount), &[][..]),
            Self::Legacy { hierarchies, unified } => (unified.as_ref(), &hierarchies[..]),
        };
        legacy.iter().map(|h| h.mount.as_path()).chain(unified.map(PathBuf::as_path))
    }
}

/// What a `/proc/PID/mountinfo` says, without the controllers of version 2.
/// Only mounts of a hierarchy's own root count, and of those at one place the
/// last, which hides the others.
fn parse(mountinfo: &str) -> Option<Layout> {
    let mut hierarchies: Vec<Hierarchy> = Vec::new();
    let mut unified = None;
    for mount in mountinfo.lines().filter_map(Mount::parse) {
        if mount.kind == "cgroup2" && mount.at == Path::new(ROOT) {
            hierarchies.clear();
            unified = Some(mount.at);
        } else if mount.kind == "cgroup2" {
            unified = unified.or(Some(mount.at));
        } else if mount.kind == "cgroup" {
            hierarchies.retain(|h| h.mount != mount.at);
            hierarchies.push(Hierarchy { controllers: mount.controllers(), mount: mount.at });
        }
    }
    match unified {
        Some(mount) if hierarchies.is_empty() && mount == Path::new(ROOT) => {
            Some(Layout::Unified { mount, controllers: BTreeSet::new() })
        }
        unified if !hierarchies.is_empty() => Some(Layout::Legacy { hierarchies, unified }),
        _ => None,
    }
}

struct Mount<'a> {
    at: PathBuf,
    kind: &'a str,
    super_options: &'a str,
}

impl<'a> Mount<'a> {
    /// One line (proc_pid_mountinfo(5)): the place is the fifth field; behind
    /// a lone dash follow type, source and the file system's own options.
    fn parse(line: &'a str) -> Option<Self> {
        let (front, back) = line.split_once(" - ")?;
        let at = PathBuf::from(front.split(' ').nth(4)?);
        let mut back = back.split(' ');
        let kind = back.next()?;
        (at.starts_with(ROOT)).then_some(())?;
        Some(Self { at, kind, super_options: back.nth(1)? })
    }

    fn controllers(&self) -> BTreeSet<String> {
        let names = self.super_options.split(',');
        names
            .filter(|o| !matches!(*o, "rw" | "ro" | "xattr" | "clone_children"))
            .map(str::to_owned)
            .collect()
    }
}

/// A group's folder in one hierarchy, if it is there.
pub(super) fn existing(mount: &Path, group: &Path) -> Result<Option<PathBuf>> {
    let relative = group.strip_prefix("/").unwrap_or(group);
    let dir = mount.join(relative);
    match fs::metadata(&dir) {
        Ok(_) => Ok(Some(dir)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io_at("look at", &dir, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
25 1 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
26 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
27 25 0:30 / /sys/fs/cgroup/blkio rw,relatime shared:3 - cgroup cgroup rw,blkio
28 25 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
29 25 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
30 25 0:33 / /mnt/memory rw - cgroup cgroup rw,memory
";

    #[test]
    fn a_hybrid_layout() {
        let layout = parse(HYBRID).unwrap();
        assert!(layout.has("cpu") && layout.has("io") && layout.has("cpuacct"));
        assert!(!layout.has("memory") && !layout.has("pids") && !layout.has("blkio2"));
        let mounts: Vec<_> = layout.mounts().collect();
        assert_eq!(mounts.len(), 4);
        assert_eq!(mounts[3], Path::new("/sys/fs/cgroup/unified"));
    }

    #[test]
    fn a_unified_layout() {
        let layout = parse("25 1 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n");
        let expected = Layout::Unified { mount: ROOT.into(), controllers: BTreeSet::new() };
        assert_eq!(layout, Some(expected));
    }

    #[test]
    fn a_unified_mount_hides_what_was_there() {
        let text = format!("{HYBRID}40 25 0:32 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        assert!(matches!(parse(&text), Some(Layout::Unified { .. })));
    }

    #[test]
    fn none() {
        assert_eq!(parse("25 1 0:28 / / rw - ext4 /dev/sda rw\n"), None);
    }
}
