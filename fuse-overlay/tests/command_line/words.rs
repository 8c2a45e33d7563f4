//! `--help` and `--version`.

use crate::support::{fuse_overlay, stderr};

#[test]
fn the_version_is_one_line_with_the_number_last() {
    for option in ["--version", "-V"] {
        let output = fuse_overlay().arg(option).output().unwrap();
        assert!(output.status.success());
        assert_eq!(stderr(&output), "");
        let expected = format!("fuse-overlay {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
}

#[test]
fn help_comes_before_whatever_else_is_wrong() {
    for args in [vec!["--help"], vec!["-h", "-o", "nonsense", "a", "b", "c"]] {
        let output = fuse_overlay().args(args).output().unwrap();
        assert!(output.status.success());
        assert_eq!(stderr(&output), "");
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.starts_with("Usage: fuse-overlay "));
        let too_wide: Vec<&str> = help.lines().filter(|l| l.chars().count() > 120).collect();
        assert!(too_wide.is_empty(), "{too_wide:#?}");
    }
}

#[test]
fn help_that_nobody_can_read_is_an_error() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = fuse_overlay().arg("--help").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("can't write to standard output"));
}
