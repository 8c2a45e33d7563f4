//! Several commands on one store at once: each succeeds or says in one line
//! why not, and what is there in the end is whole.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Format, busybox, many_layers};
use support::{Host, IMAGE};

/// Starts `sapwood ARGS`.
fn start(sapwood: &Sapwood, args: &[&str]) -> Child {
    let mut command = sapwood.command();
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn finish(children: impl IntoIterator<Item = Child>) -> Vec<Output> {
    children.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

fn archive(sapwood: &Sapwood) -> PathBuf {
    let path = sapwood.scratch().join("again.tar");
    busybox(IMAGE).unwrap().write(&path, Format::OciTar, Compression::Gzip).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Either it worked, or it says one of `excuses` in one line.
#[track_caller]
fn assert_done_or_excused(done: &Output, excuses: &[&str]) {
    let said = String::from_utf8_lossy(&done.stderr);
    if done.status.success() {
        assert_eq!(said, "");
        return;
    }
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(excuses.iter().any(|excuse| said.contains(excuse)), "{}: {said}", done.status);
}

/// Nothing is left once containers and images are removed.
fn assert_nothing_leaks(sapwood: &Sapwood) {
    for container in sapwood.ok(["ps", "-aq"]).lines() {
        sapwood.ok(["rm", container]);
    }
    for image in sapwood.ok(["images", "-q"]).lines() {
        sapwood.ok(["rmi", "-f", image]);
    }
    assert_eq!(sapwood.ok(["storage", "ls", "-q"]), "");
    let status = sapwood.json(["storage", "status", "--format", "json"]);
    assert_eq!(status["status"]["awaiting_reclaim"], 0);
}

/// Nothing is there yet, and each may be the one that makes it.
fn the_first_commands_may_come_at_once(driver: &str) {
    let archives = tempfile::tempdir().unwrap();
    let path = archives.path().join("busybox.tar");
    busybox("busybox").unwrap().write(&path, Format::Docker, Compression::None).unwrap();
    let load = ["load", "-q", "-i", text(&path)];
    let commands: [&[&str]; 8] = [
        &["images"],
        &load,
        &["ps", "-a"],
        &["storage", "check"],
        &["system", "df"],
        &load,
        &["storage", "status"],
        &["storage", "check"],
    ];
    for _ in 0..8 {
        let sapwood = Sapwood::on(driver);
        let all: Vec<_> = commands.iter().map(|args| start(&sapwood, args)).collect();
        for (args, done) in commands.iter().zip(finish(all)) {
            let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
            let said = said(&done.stdout) + &said(&done.stderr);
            assert!(done.status.success(), "{args:?}: {}: {said}", done.status);
        }
        assert_eq!(sapwood.ok(["images", "-q"]).lines().count(), 1);
        sapwood.ok(["storage", "check"]);
    }
}

fn eight_loads_of_one_archive_are_one_image(driver: &str) {
    let sapwood = Sapwood::on(driver);
    sapwood.ok(["ps"]);
    let path = archive(&sapwood);
    let loads: Vec<_> = (0..8).map(|_| start(&sapwood, &["load", "-i", text(&path)])).collect();
    for done in finish(loads) {
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(String::from_utf8_lossy(&done.stdout), "Loaded image: busybox:latest\n");
    }
    assert_eq!(sapwood.ok(["storage", "ls", "-q"]).lines().count(), 1);
    assert_nothing_leaks(&sapwood);
}

fn one_of_many_gets_the_name(driver: &str) {
    let host = Host::on(driver);
    host.sapwood.ok(["ps"]);
    let runs = (0..6).map(|n| {
        let n = n.to_string();
        start(&host.sapwood, &["run", "--name", "same", IMAGE, "sh", "-c", "echo $0", &n])
    });
    let runs: Vec<_> = runs.collect();
    let mut winners = Vec::new();
    for (n, done) in finish(runs).into_iter().enumerate() {
        assert_done_or_excused(&done, &["the name same is in use by the container "]);
        if done.status.success() {
            assert_eq!(String::from_utf8_lossy(&done.stdout), format!("{n}\n"));
            winners.push(n);
        } else {
            assert_eq!(done.status.code(), Some(125));
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(host.containers().len(), 1);
    assert_nothing_leaks(&host.sapwood);
}

/// An image stays while something runs on it, also when it is loaded again.
fn a_running_container_keeps_its_image(driver: &str) {
    let host = Host::on(driver);
    let path = archive(&host.sapwood);
    let mut command = host.command(&["--rm", "-i", "--name", "running"]);
    command.args([IMAGE, "sh", "-c", "echo began; read line; ls /bin/busybox"]);
    let mut run = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut began = [0; 6];
    std::io::Read::read_exact(run.stdout.as_mut().unwrap(), &mut began).unwrap();
    for args in [&["rmi", IMAGE][..], &["rmi", "-f", IMAGE]] {
        let (status, said) = host.sapwood.fails(args);
        assert_eq!(status, 1);
        assert!(said.contains("can't remove busybox: the running container "), "{said}");
    }
    let (_, said) = host.sapwood.fails(["rm", "running"]);
    assert!(said.contains("running"), "{said}");
    host.sapwood.ok(["load", "-q", "-i", text(&path)]);
    drop(run.stdin.take());
    let done = run.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout), "/bin/busybox\n");
    assert_nothing_leaks(&host.sapwood);
}

/// Loads, one of which is killed, removals and runs, in whatever order the
/// kernel has them.
fn everything_may_cross(driver: &str) {
    let host = Host::on(driver);
    let sapwood = &host.sapwood;
    sapwood.ok(["ps"]);
    let path = archive(sapwood);
    let many = sapwood.scratch().join("many.tar");
    many_layers("many:1", 30).unwrap().write(&many, Format::Docker, Compression::None).unwrap();
    for _ in 0..3 {
        let mut killed = start(sapwood, &["load", "-q", "-i", text(&many)]);
        let others: Vec<_> = (0..3)
            .flat_map(|_| {
                [
                    start(sapwood, &["load", "-q", "-i", text(&path)]),
                    start(sapwood, &["rmi", "-f", IMAGE]),
                    start(sapwood, &["run", "--rm", IMAGE, "ls", "/bin/busybox"]),
                ]
            })
            .collect();
        killed.kill().unwrap();
        killed.wait().unwrap();
        for done in finish(others) {
            assert_done_or_excused(&done, &["no such image: busybox", "uses its image"]);
        }
        assert_eq!(sapwood.ok(["ps", "-aq"]), "");
    }
    sapwood.ok(["load", "-q", "-i", text(&path)]);
    assert_eq!(host.sh(&[], "ls /bin/busybox"), "/bin/busybox\n");
    assert_nothing_leaks(sapwood);
}

macro_rules! on_each_driver {
    ($($case:ident)*) => {
        mod vfs {
            $(#[test] fn $case() { super::$case("vfs"); })*
        }
        mod overlay2 {
            $(#[test] fn $case() { super::$case("overlay2"); })*
        }
    };
}

on_each_driver! {
    the_first_commands_may_come_at_once
    eight_loads_of_one_archive_are_one_image
    one_of_many_gets_the_name
    a_running_container_keeps_its_image
    everything_may_cross
}
