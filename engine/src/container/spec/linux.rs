//! Namespaces, control groups, filters and hidden paths.

use std::collections::HashMap;

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Linux, LinuxIdMapping, LinuxIdMappingBuilder, LinuxNamespace, LinuxNamespaceBuilder,
    LinuxNamespaceType,
};

use super::devices::Devices;
use super::resources::resources;
use super::security::Security;
use super::{Inputs, mounts};
use crate::container::error::{Error, Result};
use crate::container::request::RunRequest;
use crate::container::value::{IdRange, Network, PidMode};

pub(super) fn linux(inputs: &Inputs<'_>, security: Security, devices: Devices) -> Result<Linux> {
    let request = inputs.request;
    let describe = |e: OciSpecError| Error::invalid("can't describe the isolation").with_source(e);
    let limits = resources(&request.limits, &inputs.host.cgroups, devices.rules)?;
    let mut linux = Linux::default();
    linux
        .set_namespaces(Some(namespaces(request).map_err(describe)?))
        .set_uid_mappings(mapping(inputs.ids.map(|i| i.users)).map_err(describe)?)
        .set_gid_mappings(mapping(inputs.ids.map(|i| i.groups)).map_err(describe)?)
        .set_cgroups_path(Some(inputs.cgroup.to_owned()))
        .set_resources(Some(limits))
        .set_devices(Some(devices.nodes))
        .set_seccomp(security.seccomp)
        .set_sysctl(sysctls(request))
        // What the container mounts or unmounts stays inside, and what the
        // host unmounts later doesn't vanish from under a volume.
        .set_rootfs_propagation(Some("private".to_owned()))
        .set_masked_paths(None)
        .set_readonly_paths(None);
    if !security.system_paths_open {
        linux
            .set_masked_paths(Some(mounts::masked_paths()))
            .set_readonly_paths(Some(mounts::read_only_paths()));
    }
    Ok(linux)
}

fn namespaces(request: &RunRequest) -> Result<Vec<LinuxNamespace>, OciSpecError> {
    let kinds = [
        (LinuxNamespaceType::Mount, true),
        (LinuxNamespaceType::Uts, true),
        (LinuxNamespaceType::Ipc, true),
        (LinuxNamespaceType::Cgroup, true),
        (LinuxNamespaceType::Pid, request.pid == PidMode::Private),
        (LinuxNamespaceType::Network, request.network == Network::None),
        (LinuxNamespaceType::User, request.userns.is_some()),
    ];
    let own = kinds.into_iter().filter(|(_, own)| *own);
    own.map(|(kind, _)| LinuxNamespaceBuilder::default().typ(kind).build()).collect()
}

fn mapping(range: Option<IdRange>) -> Result<Option<Vec<LinuxIdMapping>>, OciSpecError> {
    let Some(range) = range else {
        return Ok(None);
    };
    let mapping = LinuxIdMappingBuilder::default()
        .container_id(0_u32)
        .host_id(range.start)
        .size(range.size)
        .build()?;
    Ok(Some(vec![mapping]))
}

/// In a network of its own, a container needs no capability to ping or to
/// listen on a low port, as with Docker. Ping sockets can't be had in a user
/// namespace: the kernel wants groups that it maps.
fn sysctls(request: &RunRequest) -> Option<HashMap<String, String>> {
    if request.network != Network::None {
        return None;
    }
    let mut values = HashMap::new();
    values.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
    if request.userns.is_none() {
        values.insert("net.ipv4.ping_group_range".to_owned(), "0 2147483647".to_owned());
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(change: impl FnOnce(&mut RunRequest)) -> Vec<LinuxNamespaceType> {
        let mut request = RunRequest::default();
        change(&mut request);
        namespaces(&request).unwrap().iter().map(LinuxNamespace::typ).collect()
    }

    #[test]
    fn namespaces_are_a_containers_own_unless_shared_by_name() {
        use LinuxNamespaceType::{Cgroup, Ipc, Mount, Network, Pid, User, Uts};
        assert_eq!(kinds(|_| {}), [Mount, Uts, Ipc, Cgroup, Pid, Network]);
        let shared = kinds(|r| {
            r.pid = PidMode::Host;
            r.network = crate::container::value::Network::Host;
            r.userns = Some("1:1".parse().unwrap());
        });
        assert_eq!(shared, [Mount, Uts, Ipc, Cgroup, User]);
    }

    #[test]
    fn only_a_network_of_its_own_is_tuned() {
        let host =
            RunRequest { network: crate::container::value::Network::Host, ..RunRequest::default() };
        assert!(sysctls(&host).is_none());
        assert_eq!(sysctls(&RunRequest::default()).unwrap().len(), 2);
    }
}
