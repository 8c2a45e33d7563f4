//! The program with layers, as Podman and mount(8) start it. These need root and
//! /dev/fuse.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Place, can_mount, fuse_overlay, stderr};

/// A place with two lower layers, an upper and a work directory.
fn place() -> Place {
    let place = Place::new();
    for dir in ["a", "b", "upper", "work"] {
        fs::create_dir(place.folder.path().join(dir)).unwrap();
    }
    fs::write(place.folder.path().join("a/name"), "below").unwrap();
    fs::write(place.folder.path().join("b/name"), "above").unwrap();
    place
}

const LAYERS: &str = "lowerdir=b:a,upperdir=upper,workdir=work";

fn mount(place: &Place, args: &[&str]) {
    let output =
        fuse_overlay().current_dir(place.folder.path()).args(args).arg("mnt").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}

/// The line of /proc/mounts: source, place, type, flags.
fn line(mnt: &Path) -> Option<Vec<String>> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let mut lines = mounts.lines().map(|l| l.split(' ').map(str::to_owned).collect::<Vec<_>>());
    lines.find(|fields| Path::new(&fields[1]) == mnt)
}

#[test]
fn layers_may_be_relative_as_podman_gives_them() {
    if !can_mount() {
        return;
    }
    let place = place();
    mount(&place, &["-o", &format!("{LAYERS},nodev,volatile")]);
    assert_eq!(fs::read_to_string(place.mnt.join("name")).unwrap(), "above");
    fs::write(place.mnt.join("new"), "kept").unwrap();
    rustix::mount::unmount(&place.mnt, rustix::mount::UnmountFlags::empty()).unwrap();
    assert_eq!(fs::read_to_string(place.folder.path().join("upper/new")).unwrap(), "kept");
}

#[test]
fn the_kernel_is_told_what_the_options_say() {
    if !can_mount() {
        return;
    }
    let place = place();
    let has = |flag: &str| line(&place.mnt).unwrap()[3].split(',').any(|f| f == flag);
    mount(&place, &["source", "-o", LAYERS]);
    let fields = line(&place.mnt).unwrap();
    assert_eq!((fields[0].as_str(), fields[2].as_str()), ("source", "fuse.fuse-overlay"));
    for flag in ["rw", "nodev", "noatime", "allow_other", "default_permissions"] {
        assert!(has(flag), "{flag}: {fields:?}");
    }
    assert!(!has("nosuid") && !has("noexec"), "{fields:?}");
    rustix::mount::unmount(&place.mnt, rustix::mount::UnmountFlags::empty()).unwrap();

    mount(&place, &["-o", "lowerdir=b:a,dev,nosuid,noexec,relatime,fsname=name"]);
    let fields = line(&place.mnt).unwrap();
    assert_eq!(fields[0], "name");
    for flag in ["ro", "nosuid", "noexec", "relatime"] {
        assert!(has(flag), "{flag}: {fields:?}");
    }
    assert!(!has("nodev"), "{fields:?}");
}

#[test]
fn mount_8_starts_it() {
    if !can_mount() {
        return;
    }
    if !Path::new("/sbin/mount.fuse").try_exists().unwrap() {
        crate::support::not_run("/sbin/mount.fuse is missing: apt-get install fuse3");
        return;
    }
    let place = place();
    let program = format!("{}#source", fuse_overlay().get_program().to_str().unwrap());
    let lower = place.folder.path().join("a");
    let options = format!("lowerdir={},x-test=1,nofail,user", lower.display());
    let output = Command::new("mount")
        .args(["-tfuse", &program])
        .arg(&place.mnt)
        .args(["-o", &options])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(place.mnt.join("name")).unwrap(), "below");
    let fields = line(&place.mnt).unwrap();
    assert_eq!(fields[0], "source");
    assert!(fields[3].contains("noexec") && fields[3].contains("nosuid"), "{fields:?}");
}

#[test]
fn layers_that_are_missing_are_one_line_and_nothing_is_mounted() {
    if !can_mount() {
        return;
    }
    let place = place();
    for args in [&["-f"][..], &[]] {
        let output = fuse_overlay()
            .current_dir(place.folder.path())
            .args(args)
            .args(["-o", "lowerdir=b:nowhere", "mnt"])
            .output()
            .unwrap();
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.starts_with("fuse-overlay: ") && stderr.contains("nowhere"), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert_eq!(line(&place.mnt), None);
    }
}
