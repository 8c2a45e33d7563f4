//! Moving a process between control groups, sooner than it is needed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Layout;

/// Lets a move of a process that follows within some milliseconds go at once:
/// moves the calling process to the group where it is.
///
/// Whoever moves a process, by the first write to a `cgroup.procs`, waits until
/// every processor has passed through a quiet state, commonly 10 to 20 ms, and
/// whoever does it shortly after needn't any more (`cgroup_threadgroup_rwsem`;
/// kernel/rcu/sync.c). A monitor can wait for that while its engine still makes
/// the container's tree; otherwise the container's start would.
///
/// # Errors
/// There is no such group, or it can't be written to. Nothing has changed then,
/// and the wait will be where it was.
pub fn hasten(layout: &Layout) -> io::Result<()> {
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    match own(layout, &groups) {
        Some(dir) => fs::write(dir.join("cgroup.procs"), "0"),
        None => Err(io::Error::other("this process's control group isn't in sight")),
    }
}

/// The calling process's folder in one of the hierarchies, by a line of
/// `/proc/self/cgroup` (cgroups(7)): number, controllers, path.
fn own(layout: &Layout, groups: &str) -> Option<PathBuf> {
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let path = Path::new(path.strip_prefix('/')?);
        // Outside a control group namespace's root, paths lead upwards.
        let inside = !path.iter().any(|name| name == "..");
        let mount = layout.hierarchy(controllers.split(',').find(|name| !name.is_empty()))?;
        inside.then(|| mount.join(path))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::container::cgroup::Hierarchy;

    const GROUPS: &str = "5:cpu,cpuacct:/a/b\n4:memory:/../x\n1:name=systemd:/s\n0::/u\n";

    fn legacy(names: &[&str]) -> Layout {
        let hierarchy = |name: &&str| Hierarchy {
            mount: Path::new("/sys/fs/cgroup").join(name),
            controllers: BTreeSet::from([(*name).to_owned()]),
        };
        Layout::Legacy { hierarchies: names.iter().map(hierarchy).collect(), unified: None }
    }

    #[test]
    fn the_own_group_is_found_where_it_can_be_seen() {
        let cpu = own(&legacy(&["memory", "cpu"]), GROUPS);
        assert_eq!(cpu, Some("/sys/fs/cgroup/cpu/a/b".into()));
        assert_eq!(own(&legacy(&["memory"]), GROUPS), None);
        let mount = PathBuf::from("/sys/fs/cgroup");
        let unified = Layout::Unified { mount, controllers: BTreeSet::new() };
        assert_eq!(own(&unified, GROUPS), Some("/sys/fs/cgroup/u".into()));
    }

    #[test]
    fn nothing_moves() {
        let groups = || fs::read_to_string("/proc/self/cgroup").unwrap();
        let before = groups();
        hasten(&Layout::probe().unwrap()).unwrap();
        assert_eq!(groups(), before);
    }
}
