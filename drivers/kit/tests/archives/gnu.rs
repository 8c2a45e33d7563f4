//! GNU tar as an outside judge: what it writes is read as it reads it, and
//! what is written here it reads.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::edits::{Editor, Without};
use crate::support::tree::assert_same;
use crate::support::{Room, apply, compared, diff, not_run, snapshot};

fn gnu_tar(args: &[&str], dir: &Path) -> Output {
    let output = Command::new("tar").args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "tar {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn is_missing() -> bool {
    let version = Command::new("tar").arg("--version").output();
    let found = version.is_ok_and(|out| out.stdout.starts_with(b"tar (GNU tar)"));
    if !found {
        not_run("GNU tar is missing: apt-get install tar");
    }
    !found
}

/// What GNU tar makes of an archive. ACLs come as text (`--acls`) or as
/// attributes; it takes one or the other.
fn extracted(tar: &[u8], room: &Room, name: &str, acls: &str) -> crate::support::Tree {
    let dir = room.dir(name);
    let file = room.path().join(format!("{name}.tar"));
    std::fs::write(&file, tar).unwrap();
    let file = file.to_str().unwrap();
    let attributes = ["--xattrs", "--xattrs-include=*", "--numeric-owner", acls];
    gnu_tar(&[&["-xpf", file, "--delay-directory-restore"][..], &attributes].concat(), &dir);
    snapshot(&dir)
}

#[test]
fn archives_of_every_format_are_read_alike() {
    if is_missing() {
        return;
    }
    let whole_seconds =
        Without { nanoseconds: true, xattrs: true, early_times: true, ..Without::default() };
    let small = Without {
        large_ids: true,
        early_times: true,
        odd_names: true,
        long_names: true,
        ..whole_seconds
    };
    // GNU tar alone escapes them, so they mean what they say (docs/archives.md).
    let all = Without { equals_signs: true, ..Without::default() };
    let sparse = |version: &'static str| vec!["--format=posix", "--sparse", version];
    let formats: [(Vec<&str>, Without); 8] = [
        (vec!["--format=gnu"], Without { early_times: false, ..whole_seconds }),
        (vec!["--format=gnu", "--sparse"], whole_seconds),
        (vec!["--format=oldgnu", "--sparse"], whole_seconds),
        (vec!["--format=posix"], all),
        (sparse("--sparse-version=0.0"), all),
        (sparse("--sparse-version=0.1"), all),
        (sparse("--sparse-version=1.0"), all),
        (vec!["--format=ustar"], small),
    ];
    for (i, (format, without)) in formats.iter().enumerate() {
        for seed in 0..3 {
            let room = Room::new();
            Editor::new(&room.root(), 100 + i as u64 * 10 + seed, *without).edit(60);
            let file = room.path().join("a.tar");
            let mut args = vec!["-cf", file.to_str().unwrap(), "--numeric-owner"];
            args.extend(format);
            if !without.xattrs {
                args.extend(["--xattrs", "--xattrs-include=*", "--acls"]);
            }
            args.push(".");
            gnu_tar(&args, &room.root());
            let tar = std::fs::read(&file).unwrap();
            let expected = extracted(&tar, &room, "theirs", "--acls");
            let ours = room.dir("ours");
            apply(&ours, &tar).unwrap_or_else(|e| panic!("{format:?}, seed {seed}: {e:?}"));
            assert_same(&format!("{format:?}, seed {seed}"), &expected, &snapshot(&ours));
        }
    }
}

#[test]
fn archives_that_are_written_here_are_read_there() {
    if is_missing() {
        return;
    }
    for seed in 0..12 {
        let room = Room::new();
        // Which it can't name in a record.
        let without = Without { equals_signs: true, ..Without::default() };
        Editor::new(&room.root(), seed, without).edit(80);
        let tar = diff(None, &room.root());
        let tree = snapshot(&room.root());
        assert_same(
            &format!("GNU tar, seed {seed}"),
            &tree,
            &extracted(&tar, &room, "theirs", "--no-acls"),
        );
        let ours = room.dir("ours");
        apply(&ours, &tar).unwrap();
        assert_same(&format!("here, seed {seed}"), &tree, &snapshot(&ours));
        assert_eq!(compared(&room.root(), &ours), [""; 0], "seed {seed}");
    }
}
