//! The filter of system calls: Docker's default profile, or a file in
//! Docker's format, resolved for one container into the runtime's form.

mod file;
mod table;

use std::collections::BTreeSet;

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Arch, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompBuilder, LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};

use super::caps::CapSet;
use crate::container::error::{Error, Result};

pub use file::from_docker_json;

/// What a profile's conditions are about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The container's capabilities.
    pub caps: &'a CapSet,
    /// The running kernel's major and minor version.
    pub kernel: (u32, u32),
    /// The architecture, by the compiler's name for it.
    pub architecture: &'a str,
}

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Docker's default profile for one container.
///
/// # Errors
/// None that can happen; the builder's type has one.
pub fn default_profile(subject: &Subject<'_>) -> Result<LinuxSeccomp> {
    build_default(subject)
        .map_err(|e| Error::invalid("can't describe the default seccomp profile").with_source(e))
}

fn build_default(subject: &Subject<'_>) -> Result<LinuxSeccomp, OciSpecError> {
    let allowed = allowed_names(subject);
    let denied = words(table::KNOWN_DENIED).filter(|n| !allowed.contains(n));
    let mut rules = vec![errno_rule(denied, EPERM, vec![])?];
    if !subject.caps.contains(&Capability::SysAdmin) {
        rules.extend(clone_rules(subject.architecture)?);
    }
    rules.extend(socket_rules()?);
    for value in table::PERSONALITIES {
        rules.push(allow_rule(
            ["personality"],
            vec![compare(0, LinuxSeccompOperator::ScmpCmpEq, value)?],
        )?);
    }
    rules.insert(0, allow_rule(allowed, vec![])?);
    LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(ENOSYS)
        .architectures(architectures(subject.architecture))
        .syscalls(rules)
        .build()
}

fn words(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split_whitespace()
}

fn allowed_names(subject: &Subject<'_>) -> BTreeSet<&'static str> {
    let mut names: BTreeSet<_> = words(table::ALWAYS).collect();
    if subject.kernel >= (4, 8) {
        names.extend(words(table::SINCE_4_8));
    }
    for (cap, list) in table::WITH_CAPABILITY {
        if subject.caps.contains(&cap) {
            names.extend(words(list));
        }
    }
    for (architecture, list) in table::ON_ARCHITECTURE {
        if architecture == subject.architecture {
            names.extend(words(list));
        }
    }
    names
}

/// clone(2) without a new namespace. clone3(2) has its flags in memory, where
/// no filter can see them: ENOSYS makes the C library use clone(2).
fn clone_rules(architecture: &str) -> Result<Vec<LinuxSyscall>, OciSpecError> {
    // s390 has the two arguments the other way round (clone(2)).
    let index = usize::from(architecture == "s390x");
    let mask = table::NAMESPACE_FLAGS.iter().sum();
    let mut rules = vec![allow_rule(["clone"], vec![masked(index, mask, 0)?])?];
    for flag in table::NAMESPACE_FLAGS {
        rules.push(errno_rule(["clone"], EPERM, vec![masked(index, flag, flag)?])?);
    }
    rules.push(errno_rule(["clone3"], ENOSYS, vec![])?);
    Ok(rules)
}

fn socket_rules() -> Result<Vec<LinuxSyscall>, OciSpecError> {
    use LinuxSeccompOperator::{ScmpCmpEq, ScmpCmpGt, ScmpCmpLt};
    let [low, high] = table::REFUSED_FAMILIES;
    let mut rules = Vec::new();
    for family in table::REFUSED_FAMILIES {
        rules.push(errno_rule(["socket"], EPERM, vec![compare(0, ScmpCmpEq, family)?])?);
    }
    rules.push(allow_rule(["socket"], vec![compare(0, ScmpCmpLt, low)?])?);
    for family in low + 1..high {
        rules.push(allow_rule(["socket"], vec![compare(0, ScmpCmpEq, family)?])?);
    }
    rules.push(allow_rule(["socket"], vec![compare(0, ScmpCmpGt, high)?])?);
    Ok(rules)
}

fn allow_rule<'a>(
    names: impl IntoIterator<Item = &'a str>,
    args: Vec<LinuxSeccompArg>,
) -> Result<LinuxSyscall, OciSpecError> {
    let rule = LinuxSyscallBuilder::default()
        .names(names.into_iter().map(str::to_owned).collect::<Vec<_>>())
        .action(LinuxSeccompAction::ScmpActAllow);
    if args.is_empty() { rule.build() } else { rule.args(args).build() }
}

fn errno_rule<'a>(
    names: impl IntoIterator<Item = &'a str>,
    errno: u32,
    args: Vec<LinuxSeccompArg>,
) -> Result<LinuxSyscall, OciSpecError> {
    let rule = LinuxSyscallBuilder::default()
        .names(names.into_iter().map(str::to_owned).collect::<Vec<_>>())
        .action(LinuxSeccompAction::ScmpActErrno)
        .errno_ret(errno);
    if args.is_empty() { rule.build() } else { rule.args(args).build() }
}

fn compare(
    index: usize,
    op: LinuxSeccompOperator,
    value: u64,
) -> Result<LinuxSeccompArg, OciSpecError> {
    LinuxSeccompArgBuilder::default().index(index).op(op).value(value).build()
}

fn masked(index: usize, mask: u64, equal: u64) -> Result<LinuxSeccompArg, OciSpecError> {
    LinuxSeccompArgBuilder::default()
        .index(index)
        .op(LinuxSeccompOperator::ScmpCmpMaskedEq)
        .value(mask)
        .value_two(equal)
        .build()
}

/// An architecture and those whose programs its kernel runs as well.
fn architectures(native: &str) -> Vec<Arch> {
    match native {
        "x86_64" => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32],
        "aarch64" => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        "s390x" => vec![Arch::ScmpArchS390x, Arch::ScmpArchS390],
        "riscv64" => vec![Arch::ScmpArchRiscv64],
        "powerpc64" => vec![Arch::ScmpArchPpc64le],
        _ => vec![Arch::ScmpArchNative],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(caps: &CapSet) -> Subject<'_> {
        Subject { caps, kernel: (6, 18), architecture: "x86_64" }
    }

    fn allows(profile: &LinuxSeccomp, name: &str) -> bool {
        profile.syscalls().as_ref().unwrap().iter().any(|rule| {
            rule.action() == LinuxSeccompAction::ScmpActAllow
                && rule.args().is_none()
                && rule.names().iter().any(|n| n == name)
        })
    }

    #[test]
    fn capabilities_open_system_calls() {
        let none = CapSet::new();
        let plain = default_profile(&subject(&none)).unwrap();
        for denied in ["unshare", "mount", "keyctl", "clone", "clone3", "bpf", "socket"] {
            assert!(!allows(&plain, denied), "{denied}");
        }
        assert!(allows(&plain, "ptrace") && allows(&plain, "arch_prctl"));
        let admin = CapSet::from([Capability::SysAdmin]);
        let wide = default_profile(&subject(&admin)).unwrap();
        assert!(allows(&wide, "mount") && allows(&wide, "clone3"));
        assert!(!allows(&wide, "keyctl"));
    }

    #[test]
    fn an_old_kernel_gets_no_ptrace() {
        let none = CapSet::new();
        let old = Subject { kernel: (4, 4), ..subject(&none) };
        assert!(!allows(&default_profile(&old).unwrap(), "ptrace"));
    }

    #[test]
    fn no_call_is_both_allowed_and_refused() {
        for caps in [CapSet::new(), crate::container::spec::caps::from_mask(u64::MAX)] {
            let profile = default_profile(&subject(&caps)).unwrap();
            let mut seen = std::collections::HashMap::new();
            for rule in profile.syscalls().as_ref().unwrap().iter().filter(|r| r.args().is_none()) {
                for name in rule.names() {
                    assert_eq!(seen.insert(name.clone(), rule.action()), None, "{name}");
                }
            }
        }
    }

    #[test]
    fn the_lists_are_in_order_and_without_doubles() {
        for list in [table::ALWAYS, table::KNOWN_DENIED] {
            let names: Vec<_> = words(list).map(|n| n.trim_start_matches('_')).collect();
            assert!(names.is_sorted(), "{list}");
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        }
    }
}
