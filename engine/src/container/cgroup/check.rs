//! Whether the limits that were asked for make sense and can be enforced here.

use super::Layout;
use crate::container::error::{Error, Result};
use crate::container::host::HostFacts;
use crate::container::request::Limits;
use crate::container::value::{Bytes, SwapLimit};

/// Below this a process can't even be started; Docker has the same floor.
const LEAST_MEMORY: Bytes = Bytes(6 << 20);

/// Refuses what contradicts itself and, by the flag's name, what this
/// machine's controllers can't enforce.
///
/// # Errors
/// The first such flag.
pub fn check(limits: &Limits, host: &HostFacts) -> Result<()> {
    controllers(limits, &host.cgroups)?;
    memory(limits, &host.cgroups)?;
    cpu(limits, host)?;
    throttling(limits, &host.cgroups)
}

/// A flag, whether it was given, and the controller behind it.
fn controllers(limits: &Limits, layout: &Layout) -> Result<()> {
    let needs = [
        ("--memory", limits.memory.is_some(), "memory"),
        ("--memory-swap", limits.memory_swap.is_some(), "memory"),
        ("--cpus", limits.cpus.is_some(), "cpu"),
        ("--cpu-shares", limits.cpu_shares.is_some(), "cpu"),
        ("--cpu-period", limits.cpu_period.is_some(), "cpu"),
        ("--cpu-quota", limits.cpu_quota.is_some(), "cpu"),
        ("--cpuset-cpus", limits.cpuset_cpus.is_some(), "cpuset"),
        ("--pids-limit", limits.pids.is_some(), "pids"),
        ("--device-read-bps", !limits.read_bps.is_empty(), "io"),
        ("--device-write-bps", !limits.write_bps.is_empty(), "io"),
    ];
    match needs.iter().find(|(_, given, controller)| *given && !layout.has(controller)) {
        Some((flag, _, controller)) => Err(Error::refused(
            flag,
            format!("this machine has no '{controller}' control group controller"),
        )),
        None => Ok(()),
    }
}

fn memory(limits: &Limits, layout: &Layout) -> Result<()> {
    if limits.memory.is_some_and(|m| m < LEAST_MEMORY) {
        return Err(Error::refused("--memory", "at least 6m are needed to start a process"));
    }
    let Some(swap) = limits.memory_swap else {
        return Ok(());
    };
    match (limits.memory, swap) {
        (None, SwapLimit::Total(_)) => {
            return Err(Error::refused("--memory-swap", "needs --memory beside it"));
        }
        (Some(memory), SwapLimit::Total(total)) if total < memory => {
            return Err(Error::refused(
                "--memory-swap",
                "is memory and swap together, so it can't be below --memory",
            ));
        }
        _ => {}
    }
    if layout.has_file("memory", "memory.memsw.limit_in_bytes")? {
        return Ok(());
    }
    Err(Error::refused("--memory-swap", "this kernel doesn't count swap"))
}

fn cpu(limits: &Limits, host: &HostFacts) -> Result<()> {
    if let Some(cpus) = limits.cpus {
        if limits.cpu_period.is_some() || limits.cpu_quota.is_some() {
            return Err(Error::refused("--cpus", "excludes --cpu-period and --cpu-quota"));
        }
        if cpus.nanos() < 10_000_000 || cpus.nanos() > host.cpu_count * 1_000_000_000 {
            let why = format!("this machine allows 0.01 to {}", host.cpu_count);
            return Err(Error::refused("--cpus", why));
        }
    }
    if limits.cpu_period.is_some_and(|p| !(1000..=1_000_000).contains(&p)) {
        return Err(Error::refused("--cpu-period", "must be 1000 to 1000000 microseconds"));
    }
    if limits.cpu_quota.is_some_and(|q| q != -1 && q < 1000) {
        return Err(Error::refused("--cpu-quota", "must be 1000 microseconds at least, or -1"));
    }
    bandwidth(limits, &host.cgroups)?;
    let missing = limits.cpuset_cpus.as_ref().map_or(vec![], |set| set.missing_from(&host.cpus));
    match missing.first() {
        Some(cpu) => {
            let why = format!("there is no processor {cpu}; there are {}", host.cpus.as_str());
            Err(Error::refused("--cpuset-cpus", why))
        }
        None => Ok(()),
    }
}

fn bandwidth(limits: &Limits, layout: &Layout) -> Result<()> {
    let flags = [
        ("--cpus", limits.cpus.is_some()),
        ("--cpu-period", limits.cpu_period.is_some()),
        ("--cpu-quota", limits.cpu_quota.is_some()),
    ];
    match flags.iter().find(|(_, given)| *given) {
        Some((flag, _)) if !layout.has_file("cpu", "cpu.cfs_quota_us")? => {
            Err(Error::refused(flag, "this kernel can't limit processor time"))
        }
        _ => Ok(()),
    }
}

fn throttling(limits: &Limits, layout: &Layout) -> Result<()> {
    for (flag, rates, file) in [
        ("--device-read-bps", &limits.read_bps, "blkio.throttle.read_bps_device"),
        ("--device-write-bps", &limits.write_bps, "blkio.throttle.write_bps_device"),
    ] {
        if !rates.is_empty() && !layout.has_file("io", file)? {
            return Err(Error::refused(flag, "this kernel can't throttle block devices"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn host(controllers: &[&str]) -> HostFacts {
        let mut host = HostFacts::probe().unwrap();
        host.cgroups = Layout::Unified {
            mount: "/sys/fs/cgroup".into(),
            controllers: controllers.iter().map(|c| (*c).to_owned()).collect::<BTreeSet<_>>(),
        };
        (host.cpus, host.cpu_count) = ("0-1".parse().unwrap(), 2);
        host
    }

    fn refusal(limits: &Limits, controllers: &[&str]) -> String {
        check(limits, &host(controllers)).map_or_else(|e| e.to_string(), |()| "accepted".into())
    }

    const ALL: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

    #[test]
    fn every_flag_is_refused_by_name_without_its_controller() {
        let rate = || vec!["/dev/vda:1m".parse().unwrap()];
        let base = Limits::default;
        let memory = Some(Bytes(1 << 30));
        for (flag, limits) in [
            ("--memory:", Limits { memory, ..base() }),
            ("--cpus:", Limits { cpus: Some("1".parse().unwrap()), ..base() }),
            ("--cpu-shares:", Limits { cpu_shares: Some(2), ..base() }),
            ("--cpu-period:", Limits { cpu_period: Some(50_000), ..base() }),
            ("--cpu-quota:", Limits { cpu_quota: Some(50_000), ..base() }),
            ("--cpuset-cpus:", Limits { cpuset_cpus: Some("0".parse().unwrap()), ..base() }),
            ("--pids-limit:", Limits { pids: Some(5), ..base() }),
            ("--device-read-bps:", Limits { read_bps: rate(), ..base() }),
            ("--device-write-bps:", Limits { write_bps: rate(), ..base() }),
        ] {
            let refused = refusal(&limits, &[]);
            assert!(refused.starts_with(flag), "{flag} {refused}");
            assert_eq!(refusal(&limits, &ALL), "accepted", "{flag}");
        }
        assert_eq!(refusal(&base(), &[]), "accepted");
    }

    #[test]
    fn contradictions() {
        let base = Limits::default;
        let swap = |b| Some(SwapLimit::Total(Bytes(b)));
        let memory = |b| Some(Bytes(b));
        for (says, limits) in [
            ("6m", Limits { memory: memory(1 << 20), ..base() }),
            ("needs --memory", Limits { memory_swap: swap(1 << 30), ..base() }),
            ("below", Limits { memory: memory(2 << 30), memory_swap: swap(1 << 30), ..base() }),
            ("0.01 to 2", Limits { cpus: Some("2.1".parse().unwrap()), ..base() }),
            ("0.01 to 2", Limits { cpus: Some("0".parse().unwrap()), ..base() }),
            (
                "excludes",
                Limits { cpus: Some("1".parse().unwrap()), cpu_quota: Some(5000), ..base() },
            ),
            ("1000", Limits { cpu_period: Some(5), ..base() }),
            ("1000", Limits { cpu_quota: Some(5), ..base() }),
            ("no processor 2", Limits { cpuset_cpus: Some("1-2".parse().unwrap()), ..base() }),
        ] {
            let refused = refusal(&limits, &ALL);
            assert!(refused.contains(says), "{says}: {refused}");
        }
        let unlimited = Limits { memory_swap: Some(SwapLimit::Unlimited), ..base() };
        assert_eq!(refusal(&unlimited, &ALL), "accepted");
    }
}
