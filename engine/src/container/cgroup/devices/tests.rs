//! Rules, judged by the kernel, in whichever hierarchy of version 2 is mounted.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::*;

fn rule(
    kind: LinuxDeviceType,
    numbers: (i64, i64),
    access: &str,
    allow: bool,
) -> LinuxDeviceCgroup {
    let built = LinuxDeviceCgroupBuilder::default().typ(kind).access(access).allow(allow);
    built.major(numbers.0).minor(numbers.1).build().unwrap()
}

fn everything(allow: bool) -> LinuxDeviceCgroup {
    LinuxDeviceCgroupBuilder::default().access("rwm").allow(allow).build().unwrap()
}

const ZERO: (i64, i64) = (1, 5);
const C: LinuxDeviceType = LinuxDeviceType::C;

/// A group that is gone with the value.
struct Group {
    mount: PathBuf,
    path: PathBuf,
}

impl Group {
    fn new(name: &str) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = mounts.lines().find(|line| line.contains(" - cgroup2 ")).unwrap();
        let mount = PathBuf::from(line.split(' ').nth(4).unwrap());
        let path = super::super::path_of(&format!("devices-{name}-{}", std::process::id()));
        let group = Self { mount, path };
        fs::create_dir_all(group.dir()).unwrap();
        group
    }

    fn dir(&self) -> PathBuf {
        self.mount.join(self.path.strip_prefix("/").unwrap())
    }

    /// Which of these a process in the group may do with a zero device: read,
    /// write, both at once, make another.
    fn allows(&self) -> String {
        let script = "echo $$ > $GROUP/cgroup.procs || exit
            dd if=/dev/zero of=$FOLDER/read bs=1 count=1 && printf r
            (exec 3> /dev/zero) && printf w
            (exec 3<> /dev/zero) && printf b
            mknod $FOLDER/zero c 1 5 && printf m
            exit 0";
        let folder = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).env("GROUP", self.dir()).env("FOLDER", folder.path());
        let output = shell.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        fs::remove_dir(self.dir()).unwrap();
    }
}

#[track_caller]
fn judged(name: &str, rules: &[LinuxDeviceCgroup]) -> String {
    let group = Group::new(name);
    fence(&group.mount, &group.path, rules).unwrap();
    group.allows()
}

#[test]
fn nobody_is_asked_without_a_program() {
    assert_eq!(Group::new("none").allows(), "rwbm");
}

#[test]
fn what_is_not_named_can_be_made_and_not_used() {
    assert_eq!(judged("unnamed", &[]), "m");
    assert_eq!(judged("refused", &[everything(false)]), "m");
    assert_eq!(judged("other", &[rule(C, (1, 3), "rwm", true)]), "m");
    let block = rule(LinuxDeviceType::B, ZERO, "rwm", true);
    assert_eq!(judged("block", &[block]), "m");
}

#[test]
fn what_is_named_can_be_used_as_named() {
    for (access, expected) in [("r", "rm"), ("w", "wm"), ("rw", "rwbm"), ("rwm", "rwbm")] {
        let rules = [everything(false), rule(C, ZERO, access, true)];
        assert_eq!(judged(access, &rules), expected, "{access}");
    }
    let parts = [rule(C, ZERO, "r", true), rule(C, ZERO, "w", true)];
    assert_eq!(judged("parts", &parts), "rwbm");
    assert_eq!(judged("any-minor", &[rule(C, (1, -1), "rw", true)]), "rwbm");
    assert_eq!(judged("all", &[everything(true)]), "rwbm");
}

#[test]
fn the_last_rule_that_names_an_access_counts() {
    let (allowed, refused) = (rule(C, ZERO, "rw", true), rule(C, ZERO, "w", false));
    assert_eq!(judged("refused-after", &[allowed.clone(), refused.clone()]), "rm");
    assert_eq!(judged("allowed-after", &[refused, allowed]), "rwbm");
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    for wrong in [
        rule(LinuxDeviceType::P, ZERO, "r", true),
        rule(C, ZERO, "x", true),
        rule(C, (1 << 40, 1), "r", true),
    ] {
        let group = Group::new("wrong");
        fence(&group.mount, &group.path, &[wrong]).unwrap_err();
        assert_eq!(group.allows(), "rwbm");
    }
}

#[test]
fn a_group_that_is_not_there_is_named() {
    let group = Group::new("gone");
    let error = fence(&group.mount, &group.path.join("beneath"), &[]).unwrap_err().to_string();
    assert!(error.contains("beneath"), "{error}");
}
