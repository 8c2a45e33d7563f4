//! `commit`, `diff` and `export`: what a container has changed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, clippy::string_slice, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use support::{Host, IMAGE, finish};

/// Runs a container to its end and keeps it.
#[track_caller]
fn kept(host: &Host, name: &str, flags: &[&str], script: &str) {
    let mut command = host.command(flags);
    command.args(["--name", name, IMAGE, "sh", "-c", script]);
    let ran = finish(command);
    assert_eq!(ran.status, 0, "{ran:?}");
}

fn config(host: &Host, image: &str) -> Value {
    let archive = host.sapwood.scratch().join("config.tar");
    host.sapwood.ok(["save", "-o", archive.to_str().unwrap(), image]);
    let files = files(&archive);
    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    serde_json::from_slice(&files[manifest[0]["Config"].as_str().unwrap()]).unwrap()
}

/// An archive's files; those that aren't regular without content.
fn files(archive: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(fs::File::open(archive).unwrap());
    let entries = archive.entries().unwrap();
    let read = entries.map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (String::from_utf8(entry.path_bytes().into_owned()).unwrap(), bytes)
    });
    read.collect()
}

const CHANGES: &str = "echo new > /new; mkdir /d; echo x > /d/x; ln /d/x /d/y; rm /etc/group; \
                       echo 127.0.0.1 me > /etc/hosts; chmod 700 /d";

fn changed_on(driver: &str) {
    let host = Host::on(driver);
    kept(&host, "cc", &["-e", "GIVEN=1", "-w", "/d/w", "--label", "l=1"], CHANGES);

    let changes = host.sapwood.ok(["diff", "cc"]);
    for line in ["A /new", "A /d", "A /d/x", "A /d/w", "D /etc/group"] {
        assert!(changes.lines().any(|l| l == line), "{line:?} isn't in: {changes}");
    }
    // What is mounted, and what it is mounted over, isn't the container's.
    for path in ["/etc/hosts", "/proc", "/sys", "/dev"] {
        assert!(!changes.contains(path), "{path} is in: {changes}");
    }
    let listed = host.sapwood.json(["diff", "cc", "--format", "json"]);
    assert_eq!(listed.as_array().unwrap().len(), changes.lines().count());

    let id = host.sapwood.ok([
        "commit",
        "-a",
        "me",
        "-m",
        "why",
        "-c",
        "CMD [\"cat\", \"/d/y\"]",
        "-c",
        "ONBUILD RUN x",
        "-c",
        "EXPOSE 80",
        "cc",
        "new:1",
    ]);
    let ran = finish({
        let mut command = host.command(&["--rm"]);
        command.arg("new:1");
        command
    });
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "x\n"), "{ran:?}");
    let shown = finish({
        let mut command = host.command(&["--rm"]);
        let script = "cat /new; ls /etc/group 2>&1 | wc -l; echo $GIVEN; pwd; stat -c %h /d/x";
        command.args(["new:1", "sh", "-c", script]);
        command
    });
    assert!(shown.stdout.starts_with("new\n"), "{shown:?}");
    assert!(shown.stdout.ends_with("1\n/d/w\n2\n"), "{shown:?}");

    let (old, new) = (config(&host, IMAGE), config(&host, "new:1"));
    assert_eq!(new["author"], "me");
    let steps = new["history"].as_array().unwrap();
    let last = steps.last().unwrap();
    assert_eq!((&last["author"], &last["comment"]), (&json!("me"), &json!("why")));
    assert!(last["created_by"].as_str().unwrap().starts_with("sh -c echo new"), "{last}");
    assert_eq!(new["config"]["OnBuild"], json!(["RUN x"]));
    assert_eq!(new["config"]["ExposedPorts"], json!({"80/tcp": {}}));
    assert_eq!(new["config"]["Labels"]["l"], "1");
    let diffs = |c: &Value| c["rootfs"]["diff_ids"].as_array().unwrap().clone();
    assert_eq!(diffs(&new)[..diffs(&new).len() - 1], diffs(&old));

    // There and back: the same image.
    let archive = host.sapwood.scratch().join("new.tar");
    host.sapwood.ok(["save", "-o", archive.to_str().unwrap(), "new:1"]);
    let other = sapwood_e2e::Sapwood::on("vfs");
    other.ok(["load", "-q", "-i", archive.to_str().unwrap()]);
    assert_eq!(other.ok(["images", "-q", "--no-trunc"]).trim(), id.trim());
}

#[test]
fn changes_become_an_image_on_overlay2() {
    changed_on("overlay2");
}

#[test]
fn changes_become_an_image_on_vfs() {
    changed_on("vfs");
}

#[test]
fn nothing_changed_is_no_layer() {
    let host = Host::new();
    kept(&host, "cc", &[], "true");
    assert_eq!(host.sapwood.ok(["diff", "cc"]), "");
    host.sapwood.ok(["commit", "-c", "ENV A=1", "cc", "same:1"]);
    let (old, new) = (config(&host, IMAGE), config(&host, "same:1"));
    assert_eq!(old["rootfs"], new["rootfs"]);
    assert_eq!(new["history"].as_array().unwrap().last().unwrap()["empty_layer"], true);
}

#[test]
fn a_tree_is_exported_without_what_is_mounted_in_it() {
    let host = Host::new();
    let volume = host.folder("volume");
    fs::write(volume.join("theirs"), "v").unwrap();
    let flag = format!("{}:/volume", volume.display());
    kept(&host, "cc", &["-v", &flag], CHANGES);
    let archive = host.sapwood.scratch().join("root.tar");
    host.sapwood.ok(["export", "-o", archive.to_str().unwrap(), "cc"]);
    let found = files(&archive);
    assert_eq!(found["new"], b"new\n");
    assert!(found.contains_key("bin/busybox"), "{:?}", found.keys());
    for absent in ["etc/group", "volume/theirs", "dev/console", "etc/mtab"] {
        assert!(!found.contains_key(absent), "{absent}");
    }
    assert!(!found.keys().any(|name| name.contains(".wh.")));
    host.sapwood.ok(["import", archive.to_str().unwrap(), "flat:1"]);
    let mut command = host.command(&["--rm"]);
    command.args(["flat:1", "/bin/busybox", "cat", "/d/y"]);
    assert_eq!(finish(command).stdout, "x\n");
    let nodes = host.sapwood.json(["storage", "ls", "--format", "json"]);
    assert!(!nodes.to_string().contains("unpack-"), "{nodes}");
}

/// As its control groups tell.
fn is_paused(id: &str) -> bool {
    let v1 = format!("/sys/fs/cgroup/freezer/sapwood/{id}/freezer.state");
    let v2 = format!("/sys/fs/cgroup/sapwood/{id}/cgroup.freeze");
    fs::read_to_string(v1).or_else(|_| fs::read_to_string(v2)).unwrap().trim_end() != "THAWED"
}

fn freeze(id: &str) {
    let v1 = format!("/sys/fs/cgroup/freezer/sapwood/{id}/freezer.state");
    fs::write(v1, "FROZEN").unwrap();
}

/// What is killed while it has a container paused can't let it go on.
#[test]
fn a_pause_that_was_forgotten_ends_with_the_next_command() {
    let host = Host::new();
    let mut command = host.command(&["-i", "--name", "cc"]);
    command.args([IMAGE, "sh", "-c", "read end; exit 0"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    host.wait_for("cc");
    let id = host.container("cc").unwrap()["id"].as_str().unwrap().to_owned();
    let note = |text| {
        let run = host.sapwood.scratch().join("run");
        let stores = fs::read_dir(run).unwrap().map(|store| store.unwrap().path().join(&id));
        let folder = stores.into_iter().find(|folder| folder.is_dir()).unwrap();
        fs::write(folder.join("still"), text).unwrap();
    };
    // Somebody else's pause is nobody's business.
    freeze(&id);
    note("");
    host.containers();
    host.sapwood.ok(["commit", "cc", "still:1"]);
    assert!(is_paused(&id));
    note("1");
    host.containers();
    assert!(!is_paused(&id));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_running_container_is_paused_while_it_is_committed() {
    let host = Host::new();
    let mut command = host.command(&["-i", "--name", "cc"]);
    command.args([IMAGE, "sh", "-c", "echo x > /x; sync; read end"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    host.wait_for("cc");
    support::eventually(|| host.sapwood.ok(["diff", "cc"]).contains("A /x").then_some(()));
    host.sapwood.ok(["commit", "cc", "paused:1"]);
    let id = host.container("cc").unwrap()["id"].as_str().unwrap().to_owned();
    assert!(!is_paused(&id), "and goes on");
    host.sapwood.ok(["commit", "--pause=false", "cc", "yes:1"]);
    let archive = host.sapwood.scratch().join("root.tar");
    host.sapwood.ok(["export", "-o", archive.to_str().unwrap(), "cc"]);
    assert_eq!(files(&archive)["x"], b"x\n");
    drop(child.stdin.take());
    child.wait().unwrap();
    for image in ["paused:1", "yes:1"] {
        let mut command = host.command(&["--rm"]);
        command.args([image, "cat", "/x"]);
        assert_eq!(finish(command).stdout, "x\n", "{image}");
    }
}
