//! What the library understands otherwise than the specification means it, or
//! leaves out. The bundle is the specification's, for every runtime; here a
//! copy is made for the library.
//!
//! Each of these is checked from inside a container by the isolation tests, and
//! the library is pinned to the version that they are about.

use std::path::Path;

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompOperator, Mount,
    MountBuilder, Spec,
};

use crate::container::cgroup::Layout;

/// Where control groups show inside.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Adapts a specification for a container in the control group `group`.
pub(super) fn adapt(spec: &mut Spec, layout: &Layout, group: &Path) -> Result<(), OciSpecError> {
    if let Some(linux) = spec.linux_mut() {
        let seccomp = linux.seccomp().clone().map(swap_masks).transpose()?;
        linux.set_seccomp(seccomp);
        if matches!(layout, Layout::Legacy { .. }) {
            let mut paths = linux.readonly_paths().clone();
            // The folder around the groups can only be made read-only once
            // they are mounted in it.
            if let Some(paths) = &mut paths {
                paths.push(CGROUPS.to_owned());
            }
            linux.set_readonly_paths(paths);
        }
    }
    let mut mounts = Vec::new();
    for mount in spec.mounts().iter().flatten() {
        match layout {
            Layout::Legacy { .. } if mount.typ().as_deref() == Some("cgroup") => {
                mounts.extend(legacy_mounts(mount, layout, group)?);
            }
            _ => mounts.push(mount.clone()),
        }
    }
    spec.set_mounts(Some(mounts));
    Ok(())
}

/// The specification's `SCMP_CMP_MASKED_EQ` has the mask as `value` and what
/// is left of the argument as `valueTwo`; the library takes them the other way
/// round. Unmended, "no flag of these" would read as "always": every container
/// could make user namespaces.
fn swap_masks(mut seccomp: LinuxSeccomp) -> Result<LinuxSeccomp, OciSpecError> {
    let mut rules = seccomp.syscalls().clone().unwrap_or_default();
    for rule in &mut rules {
        let args: Option<Result<Vec<_>, _>> =
            rule.args().as_ref().map(|args| args.iter().map(swap_mask).collect());
        rule.set_args(args.transpose()?);
    }
    seccomp.set_syscalls(Some(rules));
    Ok(seccomp)
}

fn swap_mask(arg: &LinuxSeccompArg) -> Result<LinuxSeccompArg, OciSpecError> {
    if arg.op() != LinuxSeccompOperator::ScmpCmpMaskedEq {
        return Ok(*arg);
    }
    let (mask, left) = (arg.value(), arg.value_two().unwrap_or(0));
    LinuxSeccompArgBuilder::default()
        .index(arg.index())
        .op(arg.op())
        .value(left)
        .value_two(mask)
        .build()
}

/// The library would mount the hierarchies of version 1 writable, whatever the
/// specification says, so that a container's root could lift its own limits;
/// and systemd's hierarchy whole, because it puts no container into it.
fn legacy_mounts(
    wanted: &Mount,
    layout: &Layout,
    group: &Path,
) -> Result<Vec<Mount>, OciSpecError> {
    let options = wanted.options().clone().unwrap_or_default();
    let base = ["nosuid", "noexec", "nodev", "mode=755", "size=64k"].map(str::to_owned);
    let mut mounts = vec![mount("tmpfs", Path::new("tmpfs"), wanted.destination(), base.to_vec())?];
    let Layout::Legacy { hierarchies, .. } = layout else {
        return Ok(mounts);
    };
    for hierarchy in hierarchies.iter().filter(|h| h.limits_something()) {
        let Some(name) = hierarchy.mount.file_name() else { continue };
        let source = hierarchy.mount.join(group.strip_prefix("/").unwrap_or(group));
        let options = std::iter::once("bind".to_owned()).chain(options.iter().cloned());
        mounts.push(mount("bind", &source, &wanted.destination().join(name), options.collect())?);
    }
    Ok(mounts)
}

fn mount(
    kind: &str,
    source: &Path,
    target: &Path,
    options: Vec<String>,
) -> Result<Mount, OciSpecError> {
    MountBuilder::default().typ(kind).source(source).destination(target).options(options).build()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::container::cgroup::{Hierarchy, path_of};
    use crate::container::spec::caps::CapSet;
    use crate::container::spec::seccomp::{Subject, default_profile};

    fn hierarchy(name: &str, controller: &str) -> Hierarchy {
        Hierarchy {
            mount: Path::new(CGROUPS).join(name),
            controllers: std::iter::once(controller.to_owned()).collect(),
        }
    }

    fn spec() -> Spec {
        let mut spec = Spec::default();
        let options = ["nosuid", "ro"].map(str::to_owned).to_vec();
        let groups = mount("cgroup", Path::new("cgroup"), Path::new(CGROUPS), options).unwrap();
        spec.set_mounts(Some(vec![groups]));
        let caps = CapSet::new();
        let subject = Subject { caps: &caps, kernel: (6, 18), architecture: "x86_64" };
        let linux = spec.linux_mut().as_mut().unwrap();
        linux.set_seccomp(Some(default_profile(&subject).unwrap()));
        linux.set_readonly_paths(Some(vec![]));
        spec
    }

    #[test]
    fn groups_of_version_1_are_bound_one_by_one_and_read_only() {
        let mut spec = spec();
        let hierarchies = vec![hierarchy("memory", "memory"), hierarchy("systemd", "name=systemd")];
        let layout = Layout::Legacy { hierarchies, unified: None };
        adapt(&mut spec, &layout, &path_of("abc")).unwrap();
        let mounts = spec.mounts().clone().unwrap();
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[1].destination(), Path::new("/sys/fs/cgroup/memory"));
        let source = PathBuf::from("/sys/fs/cgroup/memory/sapwood/abc");
        assert_eq!(mounts[1].source().as_deref(), Some(source.as_path()));
        assert!(mounts[1].options().clone().unwrap().contains(&"ro".to_owned()));
        let paths = spec.linux().as_ref().unwrap().readonly_paths().clone().unwrap();
        assert_eq!(paths, [CGROUPS]);
    }

    #[test]
    fn groups_of_version_2_are_the_librarys() {
        let mut spec = spec();
        let layout = Layout::Unified { mount: CGROUPS.into(), controllers: Default::default() };
        adapt(&mut spec, &layout, &path_of("abc")).unwrap();
        assert_eq!(spec.mounts().clone().unwrap()[0].typ().as_deref(), Some("cgroup"));
    }

    #[test]
    fn masks_change_places() {
        let of = |spec: &Spec| {
            let seccomp = spec.linux().as_ref().unwrap().seccomp().clone().unwrap();
            let rules = seccomp.syscalls().clone().unwrap();
            let args = rules.iter().filter_map(|r| r.args().clone()).flatten();
            args.filter(|a| a.op() == LinuxSeccompOperator::ScmpCmpMaskedEq)
                .map(|a| (a.value(), a.value_two().unwrap()))
                .collect::<Vec<_>>()
        };
        let mut spec = spec();
        let before = of(&spec);
        let layout = Layout::Unified { mount: CGROUPS.into(), controllers: Default::default() };
        adapt(&mut spec, &layout, &path_of("abc")).unwrap();
        let swapped: Vec<_> = before.iter().map(|(a, b)| (*b, *a)).collect();
        assert!(before.contains(&(0x7e02_0000, 0)));
        assert_eq!(of(&spec), swapped);
    }
}
