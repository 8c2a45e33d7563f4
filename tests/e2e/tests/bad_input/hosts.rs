//! What this process may not do, and what the host lacks, made by namespaces
//! and by dropping capabilities.

use std::fs;
use std::process::{Command, Stdio};

use sapwood_e2e::binary;

use super::watched::{IMAGE, Watched, assert_refused, good_archive, text};

/// `sapwood ARGS` at the end of a shell script, in a mount namespace of its
/// own, as `$@`. The program is started by its descriptor: ordinary users may
/// have no way to where it lies.
fn after(script: &str, sapwood: &Command) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-euc"]);
    command.arg(format!("exec 3<{:?}\n{script} /proc/self/fd/3 \"$@\"", binary()));
    command.arg("sh").args(sapwood.get_args()).stdin(Stdio::null());
    command.env_remove("SAPWOOD_STORAGE_DRIVER").env_remove("STORAGE_DRIVER");
    command
}

const USER: &str = "exec setpriv --reuid 1000 --regid 1000 --clear-groups";

#[test]
fn ordinary_users_are_told_to_be_root() {
    let watched = Watched::on("overlay2");
    let mut images = watched.sapwood.command();
    images.arg("images");
    let root = "run as root, or choose another folder with --root";
    watched.refuses_command(&mut after(USER, &images), 1, root);
    let mut run = watched.sapwood.command();
    run.args(["run", "--rm", IMAGE, "true"]);
    watched.refuses_command(&mut after(USER, &run), 125, root);
}

#[test]
fn a_user_with_a_folder_of_his_own_learns_what_drivers_need() {
    let own = tempfile::tempdir().unwrap();
    rustix::fs::chown(own.path(), Some(rustix::fs::Uid::from_raw(1000)), None).unwrap();
    let root = own.path().join("root");
    for (driver, words) in [("overlay2", "CAP_SYS_ADMIN"), ("vfs", "CAP_SYS_ADMIN")] {
        for (args, status) in [(&["images"][..], 1), (&["run", IMAGE, "true"], 125)] {
            let mut command = Command::new(binary());
            command.args(["--root", text(&root), "--runroot", text(&own.path().join("run"))]);
            command.args(["-s", driver]).args(args);
            let done = after(USER, &command).output().unwrap();
            assert_refused(driver, &done, status, words);
            assert_refused(driver, &done, status, "run it as root");
        }
    }
    let left: Vec<_> = fs::read_dir(&root).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["sapwood.json"], "no driver has begun anything");
}

#[test]
fn what_the_host_lacks_is_named() {
    for driver in ["overlay2", "vfs"] {
        let watched = Watched::on(driver);
        let mut run = watched.sapwood.command();
        run.args(["run", "--rm", IMAGE, "true"]);
        for (script, words) in [
            ("exec setpriv --bounding-set=-sys_admin", "as root"),
            ("umount -l -R /sys/fs/cgroup\nexec", "no control groups are mounted"),
            ("mount -t tmpfs none /sys\nexec", "can't read /sys/"),
        ] {
            watched.refuses_command(&mut after(script, &run), 125, words);
        }
    }
}

/// Another overlay can't hold an upper directory; nor does a read-only file
/// system take anything.
#[test]
fn file_systems_that_hold_no_store_are_refused() {
    let watched = Watched::on("overlay2");
    let place = watched.sapwood.scratch().join("place");
    fs::create_dir(&place).unwrap();
    let on = |options: &str, then: &str| {
        format!("mount -t tmpfs -o {options} none {place:?}\ncd {place:?}\n{then}exec")
    };
    let overlay = on(
        "rw",
        "mkdir l u w m\nmount -t overlay -o lowerdir=l,upperdir=u,workdir=w none m\ncd m\n",
    );
    let (full, read_only) = (on("size=1m", ""), on("ro", ""));
    let archive = good_archive(&watched.sapwood);
    for (script, driver, words) in [
        (&overlay, "overlay2", "put the store on a volume of its own"),
        (&read_only, "overlay2", "Read-only file system (os error 30)"),
        (&read_only, "vfs", "Read-only file system (os error 30)"),
        (&full, "overlay2", "No space left on device"),
        (&full, "vfs", "No space left on device"),
    ] {
        let mut load = Command::new(binary());
        load.args(["--root", "root", "--runroot", "run", "-s", driver]);
        load.args(["load", "-i", text(&archive)]);
        watched.refuses_command(&mut after(script, &load), 1, words);
    }
}

/// A store that a running system mounted read-only can be read, and nothing else.
#[test]
fn a_store_that_became_read_only_says_so() {
    let watched = Watched::on("overlay2");
    let root = watched.sapwood.root();
    let script = format!("mount --bind {root:?} {root:?}\nmount -o remount,bind,ro {root:?}\nexec");
    let archive = good_archive(&watched.sapwood);
    for (args, status) in [
        (&["load", "-i", text(&archive)][..], 1),
        (&["tag", IMAGE, "new:1"], 1),
        (&["rmi", "-f", IMAGE], 1),
        (&["rm", "taken"], 1),
        (&["run", "--rm", IMAGE, "true"], 125),
    ] {
        let mut command = watched.sapwood.command();
        command.args(args);
        watched.refuses_command(&mut after(&script, &command), status, "only");
    }
}

/// A folder in which no name can be made says why, also for what isn't the store.
#[test]
fn the_folder_for_what_runs_must_be_one() {
    let watched = Watched::on("overlay2");
    let file = watched.sapwood.scratch().join("file");
    fs::write(&file, "").unwrap();
    for (args, status) in
        [(&["run", "--rm", IMAGE, "true"][..], 125), (&["ps"], 1), (&["rm", "taken"], 1)]
    {
        let mut command = Command::new(binary());
        command.arg("--root").arg(watched.sapwood.root()).arg("--runroot").arg(&file);
        command.args(["-s", "overlay2"]).args(args).stdin(Stdio::null());
        watched.refuses_command(&mut command, status, "Not a directory");
    }
}
