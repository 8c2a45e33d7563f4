//! The program with layers, as Podman and mount(8) start it. These need root and
//! /dev/fuse.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
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

fn unmount(place: &Place) {
    rustix::mount::unmount(&place.mnt, rustix::mount::UnmountFlags::empty()).unwrap();
}

/// The kernel makes such copies for a change of attributes alone, and moves them.
#[test]
fn the_kernels_copies_without_content_are_whole_here() {
    if !can_mount() {
        return;
    }
    let place = place();
    for name in ["read", "written", "cut", "linked", "moved"] {
        fs::write(place.folder.path().join("a").join(name), "content of the lower file").unwrap();
    }
    let options = format!("{LAYERS},metacopy=on,redirect_dir=on");
    let done = Command::new("mount")
        .args(["-t", "overlay", "overlay", "-o", &options])
        .arg(&place.mnt)
        .current_dir(place.folder.path())
        .status();
    assert!(done.unwrap().success());
    let mnt = |name: &str| place.mnt.join(name);
    for name in ["read", "written", "cut", "linked", "moved"] {
        fs::set_permissions(mnt(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::create_dir(mnt("sub")).unwrap();
    fs::rename(mnt("moved"), mnt("sub/there")).unwrap();
    unmount(&place);
    let upper = place.folder.path().join("upper/read");
    let mark = rustix::fs::getxattr(&upper, "trusted.overlay.metacopy", &mut [0; 64]);
    assert!(mark.is_ok(), "the kernel copied it whole: {mark:?}");

    mount(&place, &["-o", LAYERS]);
    let read = |name: &str| fs::read_to_string(mnt(name)).unwrap();
    assert_eq!(read("read"), "content of the lower file");
    assert_eq!(read("sub/there"), "content of the lower file");
    fs::File::options().append(true).open(mnt("written")).unwrap().write_all(b", more").unwrap();
    fs::File::options().write(true).open(mnt("cut")).unwrap().set_len(7).unwrap();
    fs::hard_link(mnt("linked"), mnt("sub/link")).unwrap();
    fs::rename(mnt("sub/there"), mnt("back")).unwrap();
    unmount(&place);
    mount(&place, &["-o", LAYERS]);
    assert_eq!(read("written"), "content of the lower file, more");
    assert_eq!(read("cut"), "content");
    assert_eq!(read("sub/link"), "content of the lower file");
    assert_eq!(read("back"), "content of the lower file");
    assert_eq!(mnt("back").metadata().unwrap().mode() & 0o777, 0o600);
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
#[test]
fn owners_are_shown_by_the_map() {
    if !can_mount() {
        return;
    }
    let place = place();
    let map = "uidmapping=:0:1000:1:1:110000:65536,gidmapping=:0:1000:1:1:110000:65536";
    mount(&place, &["-o", &format!("{LAYERS},{map}")]);
    let owner = |path: &Path| path.metadata().map(|m| (m.uid(), m.gid())).unwrap();
    assert_eq!(owner(&place.mnt.join("name")), (1000, 1000));
    let name = place.mnt.join("name");
    std::os::unix::fs::chown(&name, Some(110_004), Some(110_006)).unwrap();
    assert_eq!(owner(&name), (110_004, 110_006));
    assert_eq!(owner(&place.folder.path().join("upper/name")), (5, 7));
}

/// Whoever makes an image of the upper directory doesn't know the index.
#[test]
fn a_copy_has_all_names_that_anybody_asked_for_in_the_upper_directory() {
    if !can_mount() {
        return;
    }
    let place = place();
    for name in ["second", "third"] {
        fs::hard_link(place.folder.path().join("a/name"), place.folder.path().join("a").join(name))
            .unwrap();
    }
    let options = "lowerdir=a,upperdir=upper,workdir=work";
    mount(&place, &["-o", options]);
    for name in ["name", "second"] {
        place.mnt.join(name).metadata().unwrap();
    }
    fs::write(place.mnt.join("name"), "written").unwrap();
    fs::remove_file(place.mnt.join("name")).unwrap();
    let upper = |name: &str| fs::read_to_string(place.folder.path().join("upper").join(name));
    assert_eq!(upper("second").unwrap(), "written");
    assert_eq!(upper("third").unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(fs::read_to_string(place.mnt.join("third")).unwrap(), "written");
    assert_eq!(upper("third").unwrap(), "written");
    assert_eq!(place.mnt.join("third").metadata().unwrap().nlink(), 2);
}
