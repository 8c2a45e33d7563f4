//! Limits that bite, on control groups of version 1 and 2 alike.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, clippy::string_slice, reason = "a test fails by panicking")]

mod support;

use std::fs;

use support::Host;

/// The first of these files of a control group that is there, from inside:
/// that of version 1, then that of version 2.
fn group_file(host: &Host, flags: &[&str], v1: &str, v2: &str) -> String {
    let script = format!("cd /sys/fs/cgroup; cat {v1} 2>/dev/null || cat {v2}");
    host.sh(flags, &script).trim().to_owned()
}

#[test]
fn memory_ends_in_a_kill() {
    let host = Host::new();
    let flags = ["--memory", "24m"];
    let limit = group_file(&host, &flags, "memory/memory.limit_in_bytes", "memory.max");
    assert_eq!(limit, (24 << 20).to_string());
    let ran = host.run(&flags, &["sh", "-c", "exec tail /dev/zero"]);
    assert_eq!(ran.status, 137, "{ran:?}");
    let enough =
        host.run(&["--memory", "512m"], &["sh", "-c", "head -c 30m /dev/zero | tail -c 1"]);
    assert_eq!(enough.status, 0, "{enough:?}");
}

#[test]
fn processor_time_is_throttled() {
    let host = Host::new();
    let spin = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; \
                cd /sys/fs/cgroup; cat cpu/cpu.stat 2>/dev/null || cat cpu.stat";
    let throttled = |flags: &[&str]| -> u64 {
        let stat = host.sh(flags, spin);
        let line = stat.lines().find_map(|l| l.strip_prefix("nr_throttled "));
        line.unwrap_or_else(|| panic!("{stat}")).parse().unwrap()
    };
    assert!(throttled(&["--cpus", "0.2"]) > 0);
    assert!(throttled(&["--cpu-period", "10000", "--cpu-quota", "2000"]) > 0);
    assert_eq!(throttled(&[]), 0);
}

#[test]
fn shares_are_what_was_asked_for() {
    let host = Host::new();
    let shares = group_file(&host, &["--cpu-shares", "512"], "cpu/cpu.shares", "cpu.weight");
    // In version 2, where 1024 shares are a weight of 100, the default of both:
    // 10 to the power of (l * l + 125 * l) / 612 - 7 / 34, with l = log2(512).
    let expected = if has_version_1("cpu") { "512" } else { "59" };
    assert_eq!(shares, expected);
}

#[test]
fn processors_can_be_chosen() {
    if !has_version_1("cpuset") && !has_version_2("cpuset") {
        let reason = "this kernel's control groups have no controller cpuset (CONFIG_CPUSETS)";
        return sapwood_vm::not_run(reason).unwrap();
    }
    let host = Host::new();
    assert_eq!(host.sh(&["--cpuset-cpus", "0"], "nproc"), "1\n");
}

/// Whether a hierarchy of version 1 has this controller.
fn has_version_1(controller: &str) -> bool {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
    let mut controllers = groups.lines().filter_map(|line| line.split(':').nth(1));
    controllers.any(|list| list.split(',').any(|name| name == controller))
}

/// Whether the hierarchy of version 2, where that is the only one, has it.
fn has_version_2(controller: &str) -> bool {
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    controllers.split_whitespace().any(|name| name == controller)
}

#[test]
fn a_processor_that_is_not_there_is_refused() {
    let host = Host::new();
    let (status, said) = host.sapwood.fails(["run", "--cpuset-cpus", "8000", "busybox", "true"]);
    assert_eq!(status, 125);
    assert!(said.contains("--cpuset-cpus"), "{said}");
}

#[test]
fn processes_can_be_counted_out() {
    let host = Host::new();
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; wait";
    let ran = host.run(&["--pids-limit", "4"], &["sh", "-c", script]);
    assert!(ran.status != 0 && ran.stderr.contains("fork"), "{ran:?}");
    host.sh(&["--pids-limit", "-1"], "for i in 1 2 3 4 5 6 7 8; do sleep 0 & done; wait");
}

#[test]
fn block_devices_are_throttled() {
    let host = Host::new();
    let Some(device) = block_device() else {
        panic!("this test needs a block device; make one with losetup")
    };
    let rate = format!("{device}:1m");
    let file = |kind: &str| format!("blkio/blkio.throttle.{kind}_bps_device");
    for (flag, kind) in [("--device-read-bps", "read"), ("--device-write-bps", "write")] {
        let limit = group_file(&host, &[flag, &rate], &file(kind), "io.max");
        assert!(limit.contains("1048576"), "{flag}: {limit}");
    }
}

/// Some block device of this machine.
fn block_device() -> Option<String> {
    let names = fs::read_dir("/sys/block").ok()?;
    let mut names: Vec<_> = names.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let mut sizes = names.into_iter().filter(|n| {
        let size = fs::read_to_string(format!("/sys/block/{n}/size")).unwrap_or_default();
        size.trim() != "0" && fs::metadata(format!("/dev/{n}")).is_ok()
    });
    sizes.next_back().map(|n| format!("/dev/{n}"))
}

#[test]
fn resource_limits_can_be_lowered_and_not_raised() {
    let host = Host::new();
    assert_eq!(host.sh(&["--ulimit", "nofile=100:200"], "ulimit -n; ulimit -Hn"), "100\n200\n");
    let inherited = fs::read_to_string("/proc/self/limits").unwrap();
    let own = inherited.lines().find(|l| l.starts_with("Max open files")).unwrap();
    let inside = host.sh(&[], "grep 'Max open files' /proc/self/limits");
    assert_eq!(inside.trim(), own.trim());
}

#[test]
fn a_contradiction_is_refused_before_anything_is_made() {
    let host = Host::new();
    for (flags, says) in [
        (&["--memory", "1m"][..], "--memory"),
        (&["--memory-swap", "1g"], "--memory-swap"),
        (&["--cpus", "1000"], "--cpus"),
        (&["--cpus", "1", "--cpu-quota", "5000"], "--cpus"),
        (&["--device-read-bps", "/dev/null:1m"], "--device-read-bps"),
    ] {
        let ran = host.run(flags, &["true"]);
        assert_eq!((ran.status, ran.stdout.as_str()), (125, ""), "{ran:?}");
        assert!(ran.stderr.contains(says) && ran.stderr.lines().count() == 1, "{ran:?}");
    }
    assert_eq!(host.containers().len(), 0);
}
