//! What the library understands otherwise than the specification means it, or
//! leaves out. The bundle is the specification's, for every runtime; here a
//! copy is made for the library.
//!
//! Each of these is checked from inside a container by the isolation tests, and
//! the library is pinned to the version that they are about.

use std::path::Path;

use oci_spec::OciSpecError;
use oci_spec::runtime::{LinuxSeccomp, Mount, MountBuilder, Spec};

use super::filter::keep_admin;
use crate::container::cgroup::Layout;

/// Where control groups show inside.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Adapts a specification for a container in the control group `group`, and
/// takes out the profile for the filter, which the library has no part in.
pub(super) fn adapt(
    spec: &mut Spec,
    layout: &Layout,
    group: &Path,
) -> Result<Option<LinuxSeccomp>, OciSpecError> {
    let mut seccomp = None;
    if let Some(linux) = spec.linux_mut() {
        seccomp = linux.seccomp().clone();
        linux.set_seccomp(None);
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
    if let (Some(_), Some(process)) = (&seccomp, spec.process_mut()) {
        keep_admin(process);
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
    Ok(seccomp)
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
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use oci_spec::runtime::{Capability, Process};

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
        let layout = Layout::Unified { mount: CGROUPS.into(), controllers: BTreeSet::new() };
        adapt(&mut spec, &layout, &path_of("abc")).unwrap();
        assert_eq!(spec.mounts().clone().unwrap()[0].typ().as_deref(), Some("cgroup"));
    }

    #[test]
    fn the_filter_is_left_to_us() {
        let mut spec = spec();
        let layout = Layout::Unified { mount: CGROUPS.into(), controllers: BTreeSet::new() };
        spec.process_mut().as_mut().unwrap().set_no_new_privileges(None);
        assert!(adapt(&mut spec, &layout, &path_of("abc")).unwrap().is_some());
        assert_eq!(spec.linux().as_ref().unwrap().seccomp(), &None);
        let permitted = |spec: &Spec| {
            let caps = spec.process().as_ref().unwrap().capabilities().clone().unwrap();
            caps.permitted().clone().unwrap()
        };
        assert!(permitted(&spec).contains(&Capability::SysAdmin));
        let mut unconfined = spec;
        unconfined.set_process(Some(Process::default()));
        assert!(adapt(&mut unconfined, &layout, &path_of("abc")).unwrap().is_none());
        assert!(!permitted(&unconfined).contains(&Capability::SysAdmin));
    }
}
