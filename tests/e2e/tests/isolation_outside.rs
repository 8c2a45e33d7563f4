//! What a container leaves on the host: nothing, while it runs and after it,
//! however it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, clippy::string_slice, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::process::{Child, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Host, IMAGE, control_groups, eventually, is_alive};

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

fn sleeping(host: &Host, flags: &[&str]) -> (Child, u32, String) {
    let mut command = host.command(flags);
    command.args(["--name", "sleeper", IMAGE, "sh", "-c", "sleep 600 & exec sleep 600"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = host.wait_for("sleeper");
    let id = host.container("sleeper").unwrap()["id"].as_str().unwrap().to_owned();
    (child, pid, id)
}

/// The one child of a process.
fn child_of(pid: u32) -> u32 {
    let path = format!("/proc/{pid}/task/{pid}/children");
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

fn kill_hard(pid: u32) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
}

#[test]
fn no_mount_is_seen_outside() {
    let host = Host::new();
    host.run(&[], &["true"]);
    let before = mounts();
    let (mut child, _, _) = sleeping(&host, &["--tmpfs", "/t"]);
    assert_eq!(mounts(), before);
    host.sapwood.ok(["rm", "-f", "sleeper"]);
    child.wait().unwrap();
    assert_eq!(mounts(), before);
}

/// Nothing of the container is left but, perhaps, its record.
fn nothing_is_left(host: &Host, pid: u32, id: &str) {
    eventually(|| (!is_alive(pid)).then_some(()));
    let before = mounts();
    // The next command settles what is left.
    eventually(|| {
        let status = host.container("sleeper").map(|c| c["status"].clone());
        (status.is_none() || status == Some("exited".into())).then_some(())
    });
    assert_eq!(control_groups(id), Vec::<std::path::PathBuf>::new());
    assert_eq!(mounts(), before);
    let run = host.sapwood.scratch().join("run");
    let left = fs::read_dir(run).unwrap().map(|store| store.unwrap().path().join(id));
    assert!(left.into_iter().all(|dir| fs::metadata(dir).is_err()));
}

#[test]
fn a_killed_engine_takes_its_container_along() {
    let host = Host::new();
    let (mut child, pid, id) = sleeping(&host, &[]);
    kill_hard(child.id());
    child.wait().unwrap();
    nothing_is_left(&host, pid, &id);
    assert_eq!(host.container("sleeper").unwrap()["exit_status"], 137);
    host.sapwood.ok(["rm", "sleeper"]);
    assert_eq!(host.containers().len(), 0);
}

#[test]
fn a_killed_engine_with_rm_leaves_no_record_and_no_tree() {
    let host = Host::new();
    let nodes = |host: &Host| host.sapwood.json(["storage", "ls", "--format", "json"]);
    host.run(&[], &["true"]);
    let before = nodes(&host);
    let (mut child, pid, id) = sleeping(&host, &["--rm"]);
    kill_hard(child.id());
    child.wait().unwrap();
    nothing_is_left(&host, pid, &id);
    assert_eq!(host.containers().len(), 0);
    assert_eq!(nodes(&host), before);
}

#[test]
fn a_killed_monitor_takes_its_container_along() {
    let host = Host::new();
    let (mut child, pid, id) = sleeping(&host, &[]);
    kill_hard(child_of(child.id()));
    assert_eq!(child.wait().unwrap().code(), Some(137));
    nothing_is_left(&host, pid, &id);
    assert_eq!(host.container("sleeper").unwrap()["exit_status"], 137);
}

#[test]
fn engine_and_monitor_killed_together_leave_nothing() {
    let host = Host::new();
    let (mut child, pid, id) = sleeping(&host, &[]);
    let monitor = Pid::from_raw(i32::try_from(child_of(child.id())).unwrap());
    // A stopped monitor can't do anything about the engine's end any more.
    kill(monitor, Signal::SIGSTOP).unwrap();
    kill_hard(child.id());
    // The engine's end may have killed it already.
    assert!(matches!(kill(monitor, Signal::SIGKILL), Ok(()) | Err(Errno::ESRCH)));
    child.wait().unwrap();
    nothing_is_left(&host, pid, &id);
}

#[test]
fn processes_of_the_host_end_with_their_container() {
    let host = Host::new();
    let folder = host.folder("out");
    let volume = format!("{}:/out", folder.display());
    let script = "sleep 600 > /dev/null 2>&1 & echo $! > /out/pid; exit 3";
    let ran = host.run(&["--pid", "host", "-v", &volume], &["sh", "-c", script]);
    assert_eq!(ran.status, 3, "{ran:?}");
    let orphan: u32 = fs::read_to_string(folder.join("pid")).unwrap().trim().parse().unwrap();
    assert!(!is_alive(orphan));
}

#[test]
fn differences_show_only_what_the_container_did() {
    let host = Host::new();
    let words = ["run", "--name", "changed", "--init", IMAGE, "sh", "-c"];
    host.sapwood.ok(words.iter().chain(&["echo x > /made; echo '1.2.3.4 x' >> /etc/hosts"]));
    let id = host.container("changed").unwrap()["id"].as_str().unwrap().to_owned();
    let node = format!("draft:{}", &id[..12]);
    assert_eq!(host.sapwood.ok(["storage", "changes", &node]), "C /\nA /made\n");
}
