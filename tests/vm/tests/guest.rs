//! What a program finds in the guest.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use sapwood_vm::{Disk, FileSystem, Report, Size, VM_ENV};

use crate::support::{machine, sh};

fn succeeds(report: &Report) {
    assert!(report.ended().is_success(), "{report}");
}

/// With `-e`, the first of these that doesn't hold is the script's exit status.
const FURNITURE: &str = r#"
set -x
[ "$(cat /sys/fs/cgroup/cgroup.controllers)" = "cpu io memory pids" ]
[ "$(cat /sys/fs/cgroup/cgroup.subtree_control)" = "cpu io memory pids" ]
mkdir /sys/fs/cgroup/child
for file in cpu.max io.max memory.max pids.max cgroup.kill; do [ -e /sys/fs/cgroup/child/$file ]; done
[ "$(cat /sys/class/net/lo/flags)" = 0x9 ]
[ "$(uname -n)" = elsewhere ]
[ "$(uname -r)" = "$SAPWOOD_VM" ]
[ "$(pwd)" = /etc ]
[ "$GREETING" = "hello  world" ]
[ "$(id -u)" = 0 ]
for dir in /tmp /run /mnt /dev/shm; do : > $dir/file; done
mknod /tmp/null c 1 3 && echo > /tmp/null
[ -z "$(getfattr -d -m - /tmp/null)" ]
[ -c /dev/ptmx ] && [ -d /dev/pts ] && [ -e /dev/fd/1 ]
if touch /usr/file; then false; fi
"#;

#[test]
fn the_guest_is_furnished() {
    let Some(machine) = machine() else { return };
    let machine = machine.hostname("elsewhere").directory("/etc").env("GREETING", "hello  world");
    succeeds(&sh(&machine, FURNITURE));
}

/// Everything that an overlay does beyond plain files: whiteouts, opaque directories, attributes.
const OVERLAY: &str = "
    set -x
    cd $PLACE
    mkdir lower upper work merged lower/dir
    echo below > lower/file
    mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged
    rm merged/file && [ -c upper/file ]
    rm -r merged/dir && mkdir merged/dir
    getfattr --absolute-names -n trusted.overlay.opaque upper/dir
";

#[test]
fn overlay_mounts_on_tmpfs() {
    let Some(machine) = machine() else { return };
    succeeds(&sh(&machine.module("overlay").env("PLACE", "/tmp"), OVERLAY));
}

/// Modules that weren't asked for are loaded when the kernel wants them.
#[test]
fn overlay_mounts_on_disks_of_every_kind() {
    let Some(mut machine) = machine() else { return };
    let kinds = [FileSystem::Ext4, FileSystem::Xfs, FileSystem::Btrfs];
    let mut script = String::new();
    for kind in kinds {
        let place = format!("/mnt/{}", kind.name());
        script.push_str(&format!("PLACE={place}\n[ -b /dev/ubda ]\n(set -e\n{OVERLAY})\n"));
        machine = machine.disk(Disk::new(Size::mib(320)).format(kind).mount(place));
    }
    if let Err(error) = machine.check() {
        return sapwood_vm::not_run(&error.to_string()).unwrap();
    }
    let report = sh(&machine, &script);
    assert!(report.ended().is_success(), "{report}");
}

#[test]
fn project_quotas_can_be_turned_on() {
    let Some(machine) = machine() else { return };
    let disk = |kind| Disk::new(Size::mib(320)).format(kind).options("prjquota");
    let machine = machine
        .disk(disk(FileSystem::Ext4).mount("/mnt/ext4"))
        .disk(disk(FileSystem::Xfs).mount("/mnt/xfs"))
        .disk(Disk::new(Size::mib(1)));
    let script = "grep -c prjquota /proc/mounts; test $(cat /sys/block/ubdc/size) = 2048";
    let report = sh(&machine, script);
    assert!(report.ended().is_success(), "{report}");
    assert!(report.log().lines().any(|line| line == "2"), "{report}");
}

#[test]
fn a_mount_point_that_cannot_be_made_is_named() {
    let Some(machine) = machine() else { return };
    let machine = machine.disk("8M:ext4:/usr/nowhere".parse().unwrap());
    let error = machine.run(Path::new("/bin/true"), &[""]).unwrap_err().to_string();
    assert!(error.contains("/usr/nowhere") && error.contains("/mnt"), "{error}");
}

#[test]
fn the_output_directory_is_writable_on_both_sides() {
    let Some(machine) = machine() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("to"), "there").unwrap();
    let script = "cp $SAPWOOD_VM_OUTPUT/to $SAPWOOD_VM_OUTPUT/fro";
    let report = sh(&machine.clone().output(folder.path()), script);
    succeeds(&report);
    assert_eq!(fs::read_to_string(folder.path().join("fro")).unwrap(), "there");

    let report = sh(&machine, "echo x > $SAPWOOD_VM_OUTPUT/file");
    assert_eq!(fs::read_to_string(report.output().join("file")).unwrap(), "x\n");
    let directory = report.log_file().parent().unwrap().to_owned();
    drop(report);
    assert!(!directory.try_exists().unwrap(), "{}", directory.display());
}

/// A clone of the repository may lie in /tmp, which is another in the guest.
#[test]
fn a_program_in_tmp_runs_and_sees_what_is_shared() {
    let Some(machine) = machine() else { return };
    let spaced = || tempfile::Builder::new().prefix("with space, ").tempdir().unwrap();
    let (here, other) = (spaced(), spaced());
    let program = here.path().join("a program");
    fs::copy("/bin/sh", &program).unwrap();
    fs::write(here.path().join("beside"), "").unwrap();
    fs::write(other.path().join("shared"), "").unwrap();
    let script = format!(
        "set -x; [ -e beside ] && [ -e '{other}/shared' ] && ! touch '{other}/new' && [ ! -e $HIDDEN ]",
        other = other.path().display()
    );
    let hidden = tempfile::NamedTempFile::new().unwrap();
    let machine = machine.share(other.path()).directory(here.path()).env("HIDDEN", hidden.path());
    succeeds(&machine.run(&program, &["-ec", &script]).unwrap());
}

#[test]
fn reports_of_what_did_not_run_come_back() {
    let Some(machine) = machine() else { return };
    let report = sh(&machine, "echo 'NOT RUN: suite::case: no zfs' >> $SAPWOOD_NOT_RUN");
    assert_eq!(report.not_run(), ["NOT RUN: suite::case: no zfs"]);
}

/// Orphans are init's to collect: a test that waits for their end would wait for ever.
#[test]
fn orphans_are_collected() {
    let Some(machine) = machine() else { return };
    let script = "pid=$( (sleep 0 >&2 & echo $!) ); while [ -e /proc/$pid ]; do :; done";
    succeeds(&sh(&machine.deadline(std::time::Duration::from_secs(30)), script));
}

#[test]
fn the_environment_tells_a_program_where_it_is() {
    assert!(std::env::var_os(VM_ENV).is_none(), "this test runs on the host");
}
