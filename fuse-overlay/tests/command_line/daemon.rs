//! The process around a mount. These need root and /dev/fuse.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::{
    Place, can_mount, empty, end, has_fusermount3, kill, lives, said, spawn, stderr, until,
};

const LOWER: [&str; 2] = ["-o", "lowerdir=/"];

/// Mounts in the background, and gives the daemon's number.
fn mounted(place: &Place) -> i32 {
    let output = empty().args(LOWER).arg(&place.mnt).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    // Not waited for: it is there.
    place.server().expect("a mount when the program ends")
}

fn link(pid: i32, name: &str) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/{name}")).unwrap()
}

/// The pipes that a process has open.
fn pipes(pid: i32) -> Vec<PathBuf> {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = fds.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
    targets.filter(|target| target.to_str().unwrap().starts_with("pipe:")).collect()
}

#[test]
fn the_program_ends_when_the_mount_is_there_and_has_let_go_of_everything() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    // `output` reads standard error until nobody holds it any more: a daemon
    // that did would hang this test, and Podman.
    let pid = mounted(&place);
    assert_eq!(link(pid, "cwd"), PathBuf::from("/"));
    for fd in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(link(pid, fd), PathBuf::from("/dev/null"), "{fd}");
    }
    // Beside what this test has from elsewhere, only the pipe to the process
    // that was started, which nobody reads any more.
    let own = pipes(rustix::process::getpid().as_raw_nonzero().get());
    let kept: Vec<PathBuf> = pipes(pid).into_iter().filter(|pipe| !own.contains(pipe)).collect();
    assert!(kept.len() <= 1, "{kept:?}");
    kill(pid, Signal::TERM);
    until("the daemon ends", || !lives(pid));
}

#[test]
fn the_daemon_has_a_session_no_mask_and_all_descriptors() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    // With limits as low as a login has, and a mask.
    let script = "umask 077; ulimit -S -n 64; exec \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(empty().get_program())
        .args(LOWER)
        .arg(&place.mnt)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let pid = place.server().unwrap();
    let read = |file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let stat = read("stat");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    assert_eq!(fields[3], pid.to_string(), "a session of its own");
    let status = read("status");
    assert!(status.contains("Umask:\t0000"), "{status}");
    let limits = read("limits");
    let files = limits.lines().find(|l| l.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = files.split_whitespace().collect();
    assert_eq!(numbers[3], numbers[4], "{files}");
    let ignored = status.lines().find_map(|l| l.strip_prefix("SigIgn:\t")).unwrap();
    let ignored = u64::from_str_radix(ignored, 16).unwrap();
    assert_eq!(ignored >> (Signal::PIPE.as_raw() - 1) & 1, 1, "SIGPIPE is ignored");
}

#[test]
fn each_signal_unmounts_and_the_status_is_0() {
    if !can_mount() {
        return;
    }
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let place = Place::new();
        let mut program = spawn(empty().arg("-f").args(LOWER).arg(&place.mnt));
        until("the mount is there", || place.server().is_some());
        assert_eq!(place.server(), i32::try_from(program.id()).ok(), "-f makes no other process");
        kill(place.server().unwrap(), signal);
        assert_eq!(end(&mut program), Some(0), "{signal:?}");
        assert_eq!(place.server(), None, "{signal:?}");
    }
}

#[test]
fn a_question_for_numbers_ends_nothing() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    let log = place.folder.path().join("log");
    let output =
        empty().env("FUSE_OVERLAY_LOG", &log).args(LOWER).arg(&place.mnt).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    kill(place.server().unwrap(), Signal::USR1);
    until("the daemon writes it down", || {
        std::fs::read_to_string(&log).unwrap().contains("SIGUSR1 has no effect here")
    });
    assert!(place.server().is_some());
}

#[test]
fn an_unmount_from_outside_ends_the_program_with_0() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    let mut program = spawn(empty().arg("-f").args(LOWER).arg(&place.mnt));
    until("the mount is there", || place.server().is_some());
    let unmount = || rustix::mount::unmount(&place.mnt, rustix::mount::UnmountFlags::empty());
    // Not lazily: the program itself must hold nothing in its mount.
    until("it isn't busy", || unmount().is_ok());
    assert_eq!(end(&mut program), Some(0));
}

#[test]
fn files_that_are_open_are_served_on_and_a_second_signal_ends_that() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    let mut program = spawn(empty().arg("-f").args(LOWER).arg(&place.mnt));
    until("the mount is there", || place.server().is_some());
    let pid = place.server().unwrap();
    let open = std::fs::File::open(&place.mnt).unwrap();
    kill(pid, Signal::TERM);
    until("the mount is gone", || place.server().is_none());
    assert_eq!(open.metadata().unwrap().len(), u64::try_from(pid).unwrap(), "still answered");
    kill(pid, Signal::TERM);
    assert_eq!(end(&mut program), Some(1));
    assert_eq!(said(&mut program), "fuse-overlay: ended by a second signal, SIGTERM\n");
}

#[test]
fn a_signal_takes_away_no_other_mount_at_the_same_place() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    let mut program = spawn(empty().arg("-f").args(LOWER).arg(&place.mnt));
    until("the mount is there", || place.server().is_some());
    let pid = place.server().unwrap();
    let held = std::fs::File::open(&place.mnt).unwrap();
    rustix::mount::unmount(&place.mnt, rustix::mount::UnmountFlags::DETACH).unwrap();
    let none = rustix::mount::MountFlags::empty();
    rustix::mount::mount("none", &place.mnt, "tmpfs", none, None).unwrap();
    std::fs::write(place.mnt.join("kept"), "").unwrap();
    kill(pid, Signal::TERM);
    drop(held);
    assert_eq!(end(&mut program), Some(0));
    assert!(place.mnt.join("kept").try_exists().unwrap());
}

/// A program that mounts when a line has been written to the returned file.
fn waiting(place: &Place) -> (Command, PathBuf) {
    let fifo = place.folder.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let mut command = empty();
    // Relative, as Podman gives it.
    command.current_dir(place.folder.path()).args(["-o", "lowerdir=fifo,fsname=wait"]);
    (command, fifo)
}

/// Ends a process that waits for its line, and waits until it has noticed.
fn end_before_the_mount(pid: i32) {
    kill(pid, Signal::TERM);
    until("the signal has been taken", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status.contains("ShdPnd:\t0000000000000000")
    });
}

#[test]
fn a_signal_before_the_mount_undoes_it() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    let (mut command, fifo) = waiting(&place);
    let mut program = spawn(command.arg("-f").arg("mnt"));
    // Opens when the program has opened it too, so signals are waited for.
    let mut go = std::fs::File::options().write(true).open(&fifo).unwrap();
    end_before_the_mount(i32::try_from(program.id()).unwrap());
    go.write_all(b"\n").unwrap();
    assert_eq!(end(&mut program), Some(0));
    assert_eq!(place.server(), None);
}

#[test]
fn who_waits_is_told_when_a_signal_undoes_the_mount() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    let (mut command, fifo) = waiting(&place);
    let mut program = spawn(command.arg("mnt"));
    let mut go = std::fs::File::options().write(true).open(&fifo).unwrap();
    let original = program.id();
    let children = format!("/proc/{original}/task/{original}/children");
    let daemon = std::fs::read_to_string(children).unwrap();
    end_before_the_mount(daemon.trim().parse().unwrap());
    go.write_all(b"\n").unwrap();
    assert_eq!(end(&mut program), Some(1));
    assert_eq!(place.server(), None);
    let expected = "a signal came before the mount was there, and it has been undone\n";
    assert_eq!(said(&mut program), format!("fuse-overlay: {expected}"));
}

#[test]
fn a_mount_that_nobody_waits_for_any_more_is_undone() {
    if !can_mount() {
        return;
    }
    let place = Place::new();
    let (mut command, fifo) = waiting(&place);
    let log = place.folder.path().join("log");
    let mut program = spawn(command.env("FUSE_OVERLAY_LOG", &log).arg("mnt").stdout(Stdio::null()));
    let mut go = std::fs::File::options().write(true).open(&fifo).unwrap();
    program.kill().unwrap();
    assert_eq!(end(&mut program), None);
    go.write_all(b"\n").unwrap();
    // The daemon holds standard error until the mount is there, or has failed.
    assert_eq!(said(&mut program), "");
    until("the mount is gone", || place.server().is_none());
    drop(go);
}

/// A mount namespace in which /dev/fuse is everybody's, as on most hosts, and a
/// program that runs in it as nobody.
const AS_NOBODY: &str = "set -e; mount --make-rprivate /; mknod -m 666 $1/fuse c 10 229; \
    mount --bind $1/fuse /dev/fuse; chmod 755 $1; chown 65534 $1/mnt; shift; \
    exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"";

#[test]
fn without_root_fusermount3_unmounts() {
    if !can_mount() || !has_fusermount3() {
        return;
    }
    let place = Place::new();
    let mut program = spawn(
        Command::new("unshare")
            .args(["-m", "sh", "-c", AS_NOBODY, "sh"])
            .arg(place.folder.path())
            .arg(empty().get_program())
            .arg("-f")
            .args(LOWER)
            .arg(&place.mnt),
    );
    let pid = i32::try_from(program.id()).unwrap();
    let mounts = || std::fs::read_to_string(format!("/proc/{pid}/mounts")).unwrap();
    let there = format!(" {} fuse", place.mnt.display());
    until("the mount is there", || {
        assert_eq!(program.try_wait().unwrap(), None, "ended too early");
        mounts().contains(&there)
    });
    kill(pid, Signal::TERM);
    assert_eq!(end(&mut program), Some(0));
    assert_eq!(said(&mut program), "");
}
