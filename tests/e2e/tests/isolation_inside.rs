//! What a container sees and may do, from inside: as Docker's, whatever the
//! runtime.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, clippy::string_slice, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs;

use support::{Host, compiled};

const EPERM: i32 = 1;
const ENOSYS: i32 = 38;

/// `Name:` and its value, from a `/proc/PID/status`.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).trim()
}

fn has_namespaces_of_its_own(runtime: Option<&'static str>) {
    let host = Host::with_runtime(runtime);
    let names = ["mnt", "uts", "ipc", "pid", "net", "cgroup"];
    let inside =
        host.sh(&[], "for n in mnt uts ipc pid net cgroup; do readlink /proc/self/ns/$n; done");
    for (name, inside) in names.iter().zip(inside.lines()) {
        let outside = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert_ne!(outside.to_str().unwrap(), inside);
    }
    assert_eq!(host.sh(&[], "echo $$; cat /proc/1/comm; true"), "1\nsh\n");
    assert_eq!(host.sh(&[], "ls /sys/class/net"), "lo\n");
    // What a runtime's own process group tells of control groups ends here.
    let groups = host.sh(&[], "cat /proc/self/cgroup");
    assert!(groups.lines().all(|line| line.ends_with(":/")), "{groups}");
}

#[test]
fn builtin_has_namespaces_of_its_own() {
    has_namespaces_of_its_own(None);
}

#[test]
fn runc_has_namespaces_of_its_own() {
    has_namespaces_of_its_own(Some("runc"));
}

fn has_dockers_privileges(runtime: Option<&'static str>) {
    let host = Host::with_runtime(runtime);
    let status = host.sh(&[], "cat /proc/self/status");
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(field(&status, set), "00000000a80425fb", "{set}");
    }
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(field(&status, set), "0000000000000000", "{set}");
    }
    assert_eq!((field(&status, "Seccomp"), field(&status, "NoNewPrivs")), ("2", "0"));
    assert_eq!(field(&status, "Groups"), "0");

    let user = host.sh(&["-u", "1000"], "cat /proc/self/status");
    assert_eq!(field(&user, "CapEff"), "0000000000000000");
    assert_eq!(field(&user, "CapBnd"), "00000000a80425fb");

    let few = host.sh(&["--cap-drop", "ALL", "--cap-add", "CHOWN"], "cat /proc/self/status");
    assert_eq!(field(&few, "CapEff"), "0000000000000001");
    let unconfined =
        ["--security-opt", "seccomp=unconfined", "--security-opt", "no-new-privileges"];
    let status = host.sh(&unconfined, "cat /proc/self/status");
    assert_eq!((field(&status, "Seccomp"), field(&status, "NoNewPrivs")), ("0", "1"));
    let filtered = host.sh(&["--security-opt", "no-new-privileges"], "cat /proc/self/status");
    assert_eq!((field(&filtered, "Seccomp"), field(&filtered, "NoNewPrivs")), ("2", "1"));
}

#[test]
fn builtin_has_dockers_privileges() {
    has_dockers_privileges(None);
}

#[test]
fn runc_has_dockers_privileges() {
    has_dockers_privileges(Some("runc"));
}

fn filters_system_calls(runtime: Option<&'static str>) {
    let host = Host::with_runtime(runtime);
    let program = compiled(host.sapwood.scratch(), "syscalls.c");
    let volume = format!("{}:/syscalls:ro", program.display());
    let tried = |flags: &[&str]| -> BTreeMap<String, i32> {
        let flags: Vec<&str> = flags.iter().copied().chain(["-v", &volume]).collect();
        let ran = host.run(&flags, &["/syscalls"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        let pairs = ran.stdout.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(name, errno)| (name.to_owned(), errno.parse().unwrap())).collect()
    };

    let plain = tried(&[]);
    assert_eq!(plain.len(), 22, "{plain:?}");
    for (name, errno) in plain {
        let expected = match name.as_str() {
            "clone" | "socket_unix" | "personality_query" => 0,
            "clone3" | "newest" => ENOSYS,
            _ => EPERM,
        };
        assert_eq!(errno, expected, "{name}");
    }
    let unconfined = tried(&["--security-opt", "seccomp=unconfined"]);
    assert_eq!(unconfined["clone_newuser"], 0);
    assert_ne!(unconfined["keyctl"], EPERM);
    let admin = tried(&["--cap-add", "SYS_ADMIN"]);
    assert_eq!(admin["clone_newns"], 0, "a capability opens its system calls");
    assert_eq!(admin["keyctl"], EPERM, "and no others");
}

#[test]
fn builtin_filters_system_calls() {
    filters_system_calls(None);
}

#[test]
fn runc_filters_system_calls() {
    filters_system_calls(Some("runc"));
}

#[test]
fn a_filter_from_a_file_is_used() {
    let host = Host::new();
    let profile = host.sapwood.scratch().join("profile.json");
    let text = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
        [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}"#;
    fs::write(&profile, text).unwrap();
    let option = format!("seccomp={}", profile.display());
    let ran = host.run(&["--security-opt", &option], &["mkdir", "/x"]);
    assert!(ran.stderr.contains("No space left"), "{ran:?}");
}

fn hides_and_protects_the_kernels_files(runtime: Option<&'static str>) {
    let host = Host::with_runtime(runtime);
    for path in ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts"] {
        let length = host.sh(&[], &format!("test ! -e {path} || wc -c < {path}"));
        assert!(["", "0"].contains(&length.trim()), "{path} {length}");
    }
    assert_eq!(host.sh(&[], "ls /sys/firmware /proc/acpi 2>/dev/null | grep -v : | wc -w"), "0\n");
    for path in [
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/proc/irq/default_smp_affinity",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/fs/cgroup/*/memory.limit_in_bytes",
        "/sys/fs/cgroup/*/cgroup.procs",
    ] {
        let ran = host.run(&[], &["sh", "-c", &format!("for f in {path}; do echo 1 > $f; done")]);
        assert_ne!(ran.status, 0, "{path}");
        assert!(ran.stderr.contains("Read-only") || ran.stderr.contains("nonexistent"), "{ran:?}");
    }
}

#[test]
fn builtin_hides_and_protects_the_kernels_files() {
    hides_and_protects_the_kernels_files(None);
    let ran = Host::new().run(&[], &["mkdir", "/sys/fs/cgroup/x"]);
    assert!(ran.status != 0 && ran.stderr.contains("Read-only"), "{ran:?}");
}

#[test]
fn runc_hides_and_protects_the_kernels_files() {
    hides_and_protects_the_kernels_files(Some("runc"));
}

#[test]
fn devices_are_those_that_are_given() {
    let host = Host::new();
    // A link to /proc/kcore, which not every kernel has, bears either name.
    let nodes = host.sh(&[], "cd /dev && ls | grep -vx 'k\\?core' | tr '\\n' ' '");
    assert_eq!(
        nodes.trim(),
        "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
    );
    // A node can be made, as with Docker, and not be used.
    let syslog = ["--cap-add", "SYSLOG"];
    let ran = host.run(&syslog, &["sh", "-c", "mknod /tmp/k c 1 11 && exec 3</tmp/k"]);
    assert!(ran.status != 0 && ran.stderr.contains("not permitted"), "{ran:?}");
    let given = ["--cap-add", "SYSLOG", "--device", "/dev/kmsg:/dev/log"];
    host.sh(&given, "exec 3</dev/log");
    let ran = host.run(&["--device", "/dev/kmsg:r"], &["sh", "-c", "echo x > /dev/kmsg"]);
    assert!(ran.status != 0 && ran.stderr.contains("not permitted"), "{ran:?}");
    host.sh(&[], "echo x > /dev/null; head -c 1 /dev/zero > /dev/full || test $? = 1");
}

#[test]
fn privileged_takes_the_fences_down() {
    let host = Host::new();
    let status = host.sh(&["--privileged"], "cat /proc/self/status");
    let own = fs::read_to_string("/proc/self/status").unwrap();
    assert_eq!(field(&status, "CapEff"), field(&own, "CapEff"));
    assert_eq!(field(&status, "Seccomp"), "0");
    host.sh(&["--privileged"], "test -w /sys/kernel && test -e /dev/kmsg && mount -t tmpfs x /mnt");
}

#[test]
fn ids_can_be_mapped_without_changing_owners() {
    let host = Host::new();
    let flags = ["--userns-remap", "200000:300000:1000"];
    let inside =
        host.sh(&flags, "id -u; stat -c %u:%g /bin/sh /etc/hosts /root; cat /proc/self/uid_map");
    let mut lines = inside.lines();
    assert_eq!(lines.next(), Some("0"));
    assert!(lines.by_ref().take(3).all(|l| l == "0:0"), "{inside}");
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["0", "200000", "1000"]
    );

    // Outside, the process is somebody else, and the files are as they were.
    let mut command = host.command(&flags);
    command.args(["--name", "mapped", "-w", "/new/place", support::IMAGE]);
    command.args(["sh", "-c", "touch made && exec sleep 600"]);
    let mut child = command.spawn().unwrap();
    let pid = host.wait_for("mapped");
    let status = support::eventually(|| {
        fs::read_to_string(format!("/proc/{pid}/status")).ok().filter(|s| s.contains("sleep"))
    });
    assert_eq!(field(&status, "Uid").split_whitespace().next(), Some("200000"));
    assert_eq!(field(&status, "Gid").split_whitespace().next(), Some("300000"));
    host.sapwood.ok(["rm", "-f", "mapped"]);
    child.wait().unwrap();

    let keep = ["run", "--userns-remap", "200000:300000:1000", "--name", "kept", support::IMAGE];
    host.sapwood.ok(keep.iter().chain(&["touch", "/made"]));
    let id = host.container("kept").unwrap()["id"].as_str().unwrap().to_owned();
    let diff = host.sapwood.scratch().join("diff.tar");
    let node = format!("draft:{}", &id[..12]);
    host.sapwood.ok(["storage", "diff", &node, "-o", diff.to_str().unwrap()]);
    let mut archive = tar::Archive::new(fs::File::open(&diff).unwrap());
    let owners: Vec<u64> =
        archive.entries().unwrap().map(|e| e.unwrap().header().uid().unwrap()).collect();
    assert!(!owners.is_empty() && owners.iter().all(|uid| *uid == 0), "{owners:?}");
}
