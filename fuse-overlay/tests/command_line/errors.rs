//! What is wrong is said in one line, with a status that tells whose fault it is.

use std::os::unix::ffi::OsStringExt as _;

use crate::support::{empty, fuse_overlay, stderr};

#[test]
fn a_wrong_command_line_is_one_line_and_status_2() {
    let wrong: [(&[&str], &str); 6] = [
        (&["/mnt"], "no lower directory is given"),
        (&["-o", "lowerdir=/a"], "no mount point is given"),
        (&["-o", "lowerdir=/a,uperdir=/b", "/mnt"], "did you mean upperdir?"),
        (&["-o", "lowerdir=/a,plugins=x", "/mnt"], "plugins is refused"),
        (&["-o", "lowerdir=/a", "one", "two", "three"], "\"three\" is one too many"),
        (&["-x", "/mnt"], "unexpected argument '-x' found"),
    ];
    for (args, expected) in wrong {
        let output = fuse_overlay().args(args).output().unwrap();
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.starts_with("fuse-overlay: ") && stderr.contains(expected), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_line_break_in_a_path_makes_no_second_line() {
    let output = fuse_overlay().args(["-o", "lowerdir=/a\nb:/a\nb", "/mnt"]).output().unwrap();
    assert_eq!(stderr(&output).lines().count(), 1);
}

#[test]
fn names_that_are_no_text_are_taken_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let strange = std::ffi::OsString::from_vec(b"no\xfftext".to_vec());
    let output = fuse_overlay()
        .args(["-f", "-o", "lowerdir=/a"])
        .arg(folder.path().join(strange))
        .output()
        .unwrap();
    // It isn't there; that it was looked for is what counts.
    assert!(stderr(&output).contains(r"no\xFFtext"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_mount_point_that_is_missing_is_named() {
    for args in [&["-f"][..], &[]] {
        let output = fuse_overlay()
            .args(args)
            .args(["-o", "lowerdir=/", "/nowhere/at/all"])
            .output()
            .unwrap();
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(r#"the mount point "/nowhere/at/all" can't be used"#), "{stderr}");
        assert!(stderr.contains("No such file"), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn a_mount_that_fails_is_one_line_and_status_1_in_the_background_too() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["-f"][..], &[]] {
        let output = empty()
            .args(args)
            .args(["-o", "lowerdir=/,fsname=fail"])
            .arg(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stderr(&output), "fuse-overlay: there is no mount\n");
    }
}

#[test]
fn a_daemon_that_dies_before_the_mount_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let output = empty().args(["-o", "lowerdir=/,fsname=die"]).arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "fuse-overlay: the file system ended before it was mounted (signal 6)\n"
    );
}

#[test]
fn an_option_without_effect_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let options = "lowerdir=/,fsname=fail,splice_read,max_write=4096,splice_read,x-a,_netdev";
    let output = empty().args(["-o", options]).arg(folder.path()).output().unwrap();
    let stderr = stderr(&output);
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(lines[0].starts_with("fuse-overlay: splice_read has no effect here: "), "{stderr}");
    assert!(lines[1].starts_with("fuse-overlay: max_write has no effect here: "), "{stderr}");
    assert_eq!(lines.len(), 3, "{stderr}");
}

#[test]
fn a_log_that_cant_be_written_is_told_before_anything_is_mounted() {
    let output = fuse_overlay()
        .env("FUSE_OVERLAY_LOG", "/nowhere/log")
        .args(["-o", "lowerdir=/", "/"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(r#"FUSE_OVERLAY_LOG: "/nowhere/log" can't be written to"#));
}
