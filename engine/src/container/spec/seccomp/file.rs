//! Seccomp profiles from a file, in the JSON format that Docker and Podman
//! read: rules with conditions on capabilities, architecture and kernel.

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompBuilder, LinuxSyscall,
    LinuxSyscallBuilder,
};
use serde::Deserialize;

use super::{Subject, architectures};
use crate::container::error::{Error, Result};
use crate::container::value::CapName;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Vec<Arch>,
    #[serde(default)]
    arch_map: Vec<ArchMap>,
    #[serde(default)]
    syscalls: Option<Vec<Rule>>,
    listener_path: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: Arch,
    #[serde(default)]
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    names: Vec<String>,
    name: Option<String>,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<LinuxSeccompArg>>,
    #[serde(default)]
    includes: Option<Condition>,
    #[serde(default)]
    excludes: Option<Condition>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// Resolves a profile for one container.
///
/// # Errors
/// The text isn't such a profile, has a condition that can't be understood, or
/// asks for a listener, which nobody here would answer.
pub fn from_docker_json(text: &[u8], subject: &Subject<'_>) -> Result<LinuxSeccomp> {
    let bad = |e: serde_json::Error| Error::invalid("not a seccomp profile").with_source(e);
    let profile: Profile = serde_json::from_slice(text).map_err(bad)?;
    if profile.listener_path.is_some() {
        return Err(Error::invalid("a seccomp profile with a listener isn't supported"));
    }
    let mut rules = Vec::new();
    for rule in profile.syscalls.into_iter().flatten() {
        if rule.applies(subject)? {
            rules.push(rule.resolve().map_err(|e| Error::invalid("bad rule").with_source(e))?);
        }
    }
    let architectures = if profile.architectures.is_empty() {
        mapped(&profile.arch_map, subject.architecture)
    } else {
        profile.architectures
    };
    assemble(profile.default_action, profile.default_errno_ret, architectures, rules)
        .map_err(|e| Error::invalid("not a seccomp profile").with_source(e))
}

fn assemble(
    action: LinuxSeccompAction,
    errno: Option<u32>,
    architectures: Vec<Arch>,
    rules: Vec<LinuxSyscall>,
) -> Result<LinuxSeccomp, OciSpecError> {
    let mut seccomp = LinuxSeccompBuilder::default()
        .default_action(action)
        .architectures(architectures)
        .syscalls(rules)
        .build()?;
    seccomp.set_default_errno_ret(errno);
    Ok(seccomp)
}

/// What the map has for the native architecture; all that its kernel runs
/// where the map is silent.
fn mapped(map: &[ArchMap], native: &str) -> Vec<Arch> {
    let all = architectures(native);
    match map.iter().find(|m| all.first() == Some(&m.architecture)) {
        Some(m) => std::iter::once(m.architecture)
            .chain(m.sub_architectures.iter().flatten().copied())
            .collect(),
        None => all,
    }
}

impl Rule {
    fn applies(&self, subject: &Subject<'_>) -> Result<bool> {
        if let Some(includes) = &self.includes
            && !includes.holds(subject)?
        {
            return Ok(false);
        }
        self.excludes.as_ref().map_or(Ok(true), |e| e.touches(subject).map(|touches| !touches))
    }

    fn resolve(self) -> Result<LinuxSyscall, OciSpecError> {
        let names: Vec<String> = self.names.into_iter().chain(self.name).collect();
        let mut rule = LinuxSyscallBuilder::default().names(names).action(self.action).build()?;
        rule.set_errno_ret(self.errno_ret);
        rule.set_args(self.args.filter(|args| !args.is_empty()));
        Ok(rule)
    }
}

impl Condition {
    /// Whether every part of the condition is met.
    fn holds(&self, subject: &Subject<'_>) -> Result<bool> {
        let caps = caps_held(self.caps.as_deref().unwrap_or_default(), subject)?;
        let arches = self.arches.as_deref().unwrap_or_default();
        let arch = arches.is_empty() || arches.iter().any(|a| a == go_name(subject.architecture));
        Ok(caps.iter().all(|held| *held) && arch && self.kernel_is_new_enough(subject)?)
    }

    /// Whether any part of the condition is met.
    fn touches(&self, subject: &Subject<'_>) -> Result<bool> {
        let caps = caps_held(self.caps.as_deref().unwrap_or_default(), subject)?;
        let arches = self.arches.as_deref().unwrap_or_default();
        let arch = arches.iter().any(|a| a == go_name(subject.architecture));
        let kernel = self.min_kernel.is_some() && self.kernel_is_new_enough(subject)?;
        Ok(caps.contains(&true) || arch || kernel)
    }

    fn kernel_is_new_enough(&self, subject: &Subject<'_>) -> Result<bool> {
        let Some(text) = &self.min_kernel else {
            return Ok(true);
        };
        match text.split_once('.').map(|(a, b)| (a.parse(), b.parse())) {
            Some((Ok(major), Ok(minor))) => Ok(subject.kernel >= (major, minor)),
            _ => Err(Error::invalid(format!("seccomp profile: {text:?} isn't a kernel version"))),
        }
    }
}

fn caps_held(names: &[String], subject: &Subject<'_>) -> Result<Vec<bool>> {
    names
        .iter()
        .map(|name| match name.parse::<CapName>()? {
            CapName::One(cap) => Ok(subject.caps.contains(&cap)),
            CapName::All => Ok(false),
        })
        .collect()
}

/// The profile format has the Go compiler's names of architectures.
fn go_name(architecture: &str) -> &str {
    match architecture {
        "x86_64" => "amd64",
        "x86" => "x86",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::Capability;

    use super::*;
    use crate::container::spec::caps::CapSet;

    const PROFILE: &str = r#"{
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"name": "mount", "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["umount"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"]}},
            {"names": ["set_tls"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "7.0"}}
        ]}"#;

    fn names(caps: &CapSet) -> Vec<String> {
        let subject = Subject { caps, kernel: (6, 18), architecture: "x86_64" };
        let seccomp = from_docker_json(PROFILE.as_bytes(), &subject).unwrap();
        assert_eq!(seccomp.architectures().as_ref().unwrap().len(), 2);
        seccomp.syscalls().as_ref().unwrap().iter().flat_map(|r| r.names().clone()).collect()
    }

    #[test]
    fn conditions() {
        assert_eq!(names(&CapSet::new()), ["read", "umount", "arch_prctl"]);
        assert_eq!(names(&CapSet::from([Capability::SysAdmin])), ["read", "mount", "arch_prctl"]);
    }

    #[test]
    fn what_is_not_a_profile() {
        let caps = CapSet::new();
        let subject = Subject { caps: &caps, kernel: (6, 18), architecture: "x86_64" };
        for bad in [
            "",
            "{}",
            r#"{"defaultAction":"SCMP_ACT_MAYBE"}"#,
            r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x"}"#,
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],
               "action":"SCMP_ACT_LOG","includes":{"minKernel":"new"}}]}"#,
        ] {
            assert!(from_docker_json(bad.as_bytes(), &subject).is_err(), "{bad}");
        }
    }
}
