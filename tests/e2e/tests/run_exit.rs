//! Exit statuses, and one line for every failure, as `docker run` has them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, clippy::string_slice, reason = "a test fails by panicking")]

mod support;

use support::{Host, IMAGE};

fn exit_statuses_are_dockers(runtime: Option<&'static str>) {
    let host = Host::with_runtime(runtime);
    for (words, status) in [
        (&["true"][..], 0),
        (&["false"], 1),
        (&["sh", "-c", "exit 42"], 42),
        (&["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137),
        (&["nosuchcommand"], 127),
        (&["/no/such/command"], 127),
        (&["/etc/passwd"], 126),
        (&["/etc"], 126),
    ] {
        let ran = host.run(&[], words);
        assert_eq!(ran.status, status, "{words:?}: {ran:?}");
        if (126..128).contains(&status) {
            assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        }
    }
    // The first process itself, ended by a signal.
    let ran = host.run(&["--init"], &["sh", "-c", "kill -TERM $$"]);
    assert_eq!(ran.status, 143, "{ran:?}");
    assert_eq!(host.containers().len(), 0, "nothing is left of any of them");
}

#[test]
fn builtin_exit_statuses_are_dockers() {
    exit_statuses_are_dockers(None);
}

#[test]
fn runc_exit_statuses_are_dockers() {
    exit_statuses_are_dockers(Some("runc"));
}

#[test]
fn what_keeps_a_container_from_running_is_125() {
    let host = Host::new();
    host.sapwood.ok(["run", "--name", "taken", IMAGE, "true"]);
    for (words, says) in [
        (&["no-such-image"][..], "no-such-image"),
        (&["--name", "taken", IMAGE], "taken"),
        (&["--name", "_x", IMAGE], "_x"),
        (&["-u", "nobody2", IMAGE], "nobody2"),
        (&["-w", "relative", IMAGE], "relative"),
        (&["-v", "named:/x", IMAGE], "named"),
        (&["--mount", "type=bind,src=/nowhere,dst=/x", IMAGE], "/nowhere"),
        (&["--security-opt", "apparmor=none-such", IMAGE], "none-such"),
        (&["--runtime", "no-such-runtime", IMAGE], "no-such-runtime"),
        (&["--userns-remap", "no-such-user", IMAGE], "no-such-user"),
        (&["--device", "/dev/nothing", IMAGE], "/dev/nothing"),
        (&["--env-file", "/nowhere", IMAGE], "/nowhere"),
        (&["-it", IMAGE], "--tty"),
    ] {
        let (status, said) = host.sapwood.fails(["run", "--rm"].iter().chain(words));
        assert_eq!(status, 125, "{words:?}: {said}");
        assert!(said.contains(says), "{words:?}: {said}");
    }
    // The parser has more to say than a line.
    for words in [&["--no-such-option", IMAGE][..], &["--network", "bridge", IMAGE], &[]] {
        let status = host.sapwood.output(["run"].iter().chain(words)).status;
        assert_eq!(status.code(), Some(125), "{words:?}");
    }
    let names: Vec<_> = host.containers().into_iter().map(|c| c["name"].clone()).collect();
    assert_eq!(names, ["taken"], "the store is as it was");
}

#[test]
fn an_image_may_say_nothing_to_run() {
    use sapwood_e2e::images::{Compression, Entry, Format, Image};
    let host = Host::new();
    let archive = host.sapwood.scratch().join("empty.tar");
    Image::new("empty:1")
        .command(&[])
        .layer(|layer| layer.add(&Entry::file("f", "x")))
        .write(&archive, Format::Docker, Compression::None)
        .unwrap();
    host.sapwood.ok(["load", "-q", "-i", archive.to_str().unwrap()]);
    let (status, said) = host.sapwood.fails(["run", "--rm", "empty:1"]);
    assert_eq!(status, 125);
    assert!(said.contains("no command"), "{said}");
    let (status, said) = host.sapwood.fails(["run", "--rm", "empty:1", "sh"]);
    assert_eq!((status, said.contains("sh")), (127, true), "{said}");
}

#[test]
fn vfs_runs_containers_too() {
    let host = Host::on("vfs");
    assert_eq!(host.sh(&[], "echo hello; touch /x"), "hello\n");
    assert_eq!(host.run(&["--read-only"], &["touch", "/x"]).status, 1);
}
