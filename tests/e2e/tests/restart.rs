//! After the host was started anew, as its disk looks then: what was for the
//! earlier boot is gone, and nothing that was to stay.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::Connection;
use sapwood_e2e::Sapwood;
use serde_json::Value;
use support::{Host, IMAGE, eventually, is_alive};

/// The driver of [`Host`]s.
const DRIVER: &str = "overlay2";

fn nodes(sapwood: &Sapwood) -> Vec<PathBuf> {
    let root = sapwood.root().join(DRIVER);
    let list = |shelf| fs::read_dir(root.join(shelf)).unwrap().map(|e| e.unwrap().path());
    list("drafts").chain(list("layers")).collect()
}

fn restart(sapwood: &Sapwood) {
    let marks = nodes(sapwood).into_iter().chain([sapwood.root().join(DRIVER)]);
    for mark in marks.map(|dir| dir.join("boot")).filter(|mark| mark.is_symlink()) {
        fs::remove_file(&mark).unwrap();
        symlink("an-earlier-boot", &mark).unwrap();
    }
    fs::write(engine(sapwood).join("containers/boot"), "an-earlier-boot\n").unwrap();
    // /run is empty then.
    fs::remove_dir_all(sapwood.scratch().join("run")).unwrap();
}

fn engine(sapwood: &Sapwood) -> PathBuf {
    sapwood.root().join("engine").join(DRIVER)
}

/// Codes of findings, and of leftovers.
fn check(sapwood: &Sapwood) -> [BTreeSet<String>; 2] {
    let done = sapwood.output(["storage", "check", "--format", "json"]);
    let reports: Value = serde_json::from_slice(&done.stdout).unwrap();
    ["findings", "leftovers"].map(|key| {
        let all = reports.as_array().unwrap().iter().flat_map(|r| r[key].as_array().unwrap());
        all.map(|f| f["code"].as_str().unwrap().to_owned()).collect()
    })
}

fn codes<const N: usize>(codes: [&str; N]) -> BTreeSet<String> {
    codes.map(str::to_owned).into()
}

/// Starts a container, and kills all that has to do with it at once.
fn lose_power_while_it_runs(host: &Host, flags: &[&str]) -> String {
    let mut command = host.command(flags);
    let words = ["--name", "lost", IMAGE, "sh", "-c", "echo kept > /kept; exec sleep 600"];
    command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let pid = host.wait_for("lost");
    let id = host.container("lost").unwrap()["id"].as_str().unwrap().to_owned();
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
    let monitor: i32 = children.trim().parse().unwrap();
    // A stopped monitor can't clean up after its engine.
    kill(Pid::from_raw(monitor), Signal::SIGSTOP).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // The engine's end may have killed it already.
    let killed = kill(Pid::from_raw(monitor), Signal::SIGKILL);
    assert!(matches!(killed, Ok(()) | Err(Errno::ESRCH)), "{killed:?}");
    eventually(|| (!is_alive(pid)).then_some(()));
    id
}

#[test]
fn a_container_to_be_removed_at_its_end_is_removed() {
    let host = Host::new();
    let id = lose_power_while_it_runs(&host, &["--rm"]);
    let draft = host.sapwood.root().join(DRIVER).join("drafts").join(&id);
    restart(&host.sapwood);
    // Never flushed: its names are there, its bytes aren't.
    fs::write(draft.join("draft.json"), "").unwrap();
    assert_eq!(check(&host.sapwood), [codes([]), codes(["draft-ended"])]);
    assert!(host.containers().is_empty());
    host.sapwood.ok(["storage", "gc"]);
    assert_eq!(check(&host.sapwood), [codes([]), codes([])]);
    assert!(!draft.try_exists().unwrap());
}

#[test]
fn a_record_whose_tree_is_gone_as_it_should_be_is_a_leftover() {
    let host = Host::new();
    let id = lose_power_while_it_runs(&host, &["--rm"]);
    restart(&host.sapwood);
    fs::remove_dir_all(host.sapwood.root().join(DRIVER).join("drafts").join(id)).unwrap();
    assert_eq!(check(&host.sapwood), [codes([]), codes(["container-ended", "mount-point"])]);
    host.sapwood.ok(["storage", "repair"]);
    assert!(host.containers().is_empty());
    assert_eq!(check(&host.sapwood), [codes([]), codes([])]);
}

#[test]
fn a_container_to_be_kept_is_kept_as_it_was() {
    let host = Host::new();
    lose_power_while_it_runs(&host, &[]);
    restart(&host.sapwood);
    assert_eq!(check(&host.sapwood), [codes([]), codes([])]);
    let lost = host.container("lost").unwrap();
    assert_eq!((&lost["status"], &lost["exit_status"]), (&"exited".into(), &137.into()));
    assert!(host.sapwood.ok(["diff", "lost"]).contains("A /kept"));
    host.sapwood.ok(["rm", "lost"]);
    assert_eq!(check(&host.sapwood)[0], codes([]));
}

/// The power fails between the tree's going and the record's.
#[test]
fn a_removal_that_was_cut_off_is_finished() {
    let host = Host::new();
    host.sapwood.ok(["run", "--name", "kept", IMAGE, "true"]);
    let id = host.container("kept").unwrap()["id"].as_str().unwrap().to_owned();
    let removing = |db: &Connection| {
        // As `rm` writes it before the tree goes.
        let change = "UPDATE container SET state = 'running',
                      record = json_set(record, '$.remove', json('true'))";
        db.execute(change, ()).unwrap();
    };
    removing(&Connection::open(engine(&host.sapwood).join("metadata.db")).unwrap());
    fs::remove_dir_all(host.sapwood.root().join(DRIVER).join("drafts").join(id)).unwrap();
    // Only `rm` itself keeps the copy of its row up.
    assert_eq!(check(&host.sapwood)[0], codes(["copy"]));
    assert!(host.containers().is_empty());
    assert_eq!(check(&host.sapwood), [codes([]), codes([])]);
}

fn copy_of_the_image(sapwood: &Sapwood) -> PathBuf {
    let mut copies = fs::read_dir(engine(sapwood).join("images")).unwrap();
    copies.next().unwrap().unwrap().path()
}

fn lose_the_database(sapwood: &Sapwood) {
    for name in ["metadata.db", "metadata.db-wal", "metadata.db-shm"] {
        match fs::remove_file(engine(sapwood).join(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => panic!("{name}: {e}"),
            _ => {}
        }
    }
}

/// A medium that fails now may give the copy tomorrow.
#[test]
fn a_copy_that_cannot_be_read_now_is_not_given_up() {
    let host = Host::new();
    let copy = copy_of_the_image(&host.sapwood);
    let aside = host.sapwood.scratch().join("aside");
    fs::rename(&copy, &aside).unwrap();
    // Reading this fails, and not because nothing is there.
    symlink(copy.file_name().unwrap(), &copy).unwrap();
    lose_the_database(&host.sapwood);
    let refused = host.sapwood.output(["storage", "repair"]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned()
        + &String::from_utf8_lossy(&refused.stdout);
    assert!(said.contains(copy.to_str().unwrap()), "{said}");
    fs::rename(&aside, &copy).unwrap();
    host.sapwood.ok(["storage", "repair"]);
    assert_eq!(host.run(&[], &["echo", "runs"]).stdout, "runs\n");
}

/// Whatever is written to a damaged image's other rows.
#[test]
fn a_damaged_record_does_not_replace_its_good_copy() {
    let host = Host::new();
    let good = read_config(&copy_of_the_image(&host.sapwood));
    let db = Connection::open(engine(&host.sapwood).join("metadata.db")).unwrap();
    db.execute("UPDATE image SET config = x'7b7d'", ()).unwrap();
    drop(db);
    // Whether that still works isn't the point.
    host.sapwood.output(["tag", IMAGE, "again:1"]);
    assert_eq!(read_config(&copy_of_the_image(&host.sapwood)), good);
    host.sapwood.ok(["storage", "repair"]);
    assert_eq!(check(&host.sapwood), [codes([]), codes([])]);
    assert_eq!(host.run(&[], &["echo", "runs"]).stdout, "runs\n");
}

fn read_config(copy: &Path) -> Value {
    let copy: Value = serde_json::from_slice(&fs::read(copy).unwrap()).unwrap();
    copy["config"].clone()
}
