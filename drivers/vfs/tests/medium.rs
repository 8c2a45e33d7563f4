//! A medium that fails beneath the file system: a thin one, which has less room
//! than it says. Needs root, loop devices and mkfs.ext4; everything is mounted
//! in a private mount namespace.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use graphdriver_api::{
    Base, DraftId, DraftSpec, DriverFactory, DriverOptions, ErrorKind, LayerId, MountRequest,
};
use sapwood_driver_vfs::VfsFactory;
use sapwood_kit::mount::in_private_namespace;

/// 300 MB, of which some tens are there: a file system in a file on a small one
/// in memory. Without a journal, because losing that stops everything at once.
const MAKE: &str = "mkdir thin top && mount -t tmpfs -o size=60m none thin && \
    truncate -s 300m thin/image && \
    mkfs.ext4 -q -O ^has_journal -N 256 -E lazy_itable_init=0,nodiscard thin/image && \
    mount -o loop,errors=continue thin/image top";

fn sh(dir: &Path, script: &str) -> io::Result<()> {
    let output = Command::new("sh").args(["-ec", script]).current_dir(dir).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

/// Says so where the other suites do (docs/testing.md).
fn not_run(reason: &str) -> io::Result<()> {
    let test = std::env::var("NEXTEST_TEST_NAME").unwrap_or_default();
    let line = format!("NOT RUN: sapwood-driver-vfs::medium::{test}: {}\n", reason.trim_end());
    match std::env::var_os("SAPWOOD_NOT_RUN") {
        Some(path) => {
            fs::File::options().append(true).create(true).open(path)?.write_all(line.as_bytes())
        }
        None => io::stderr().write_all(line.as_bytes()),
    }
}

/// The kernel tells of lost bytes once. Were the draft taken for whole at the
/// next attempt, the layer's content would be something else than was written.
#[test]
fn a_draft_that_lost_bytes_never_becomes_a_layer() {
    let dir = tempfile::tempdir().unwrap();
    in_private_namespace(|| {
        let dir = dir.path();
        if let Err(e) = sh(dir, MAKE) {
            return not_run(&format!("no file system on a loop device can be made here: {e}"));
        }
        let driver = VfsFactory.open(&dir.join("top/root"), &DriverOptions::default()).unwrap();
        let (draft, layer) = (DraftId::new("d").unwrap(), LayerId::new("l").unwrap());
        driver.prepare(&draft, Base::Scratch, &DraftSpec::default()).unwrap();
        let mut guard = driver.mount(&draft, &MountRequest::default()).unwrap();
        fs::write(guard.path().unwrap().join("file"), "here")?;
        sh(dir, "sync -f top; dd if=/dev/zero of=thin/fill bs=1M 2>&1 || true")?;
        fs::write(guard.path().unwrap().join("file"), vec![7; 20 << 20])?;
        guard.unmount().unwrap();
        let failed = driver.commit(&draft, &layer, None).unwrap_err();
        assert!([ErrorKind::Io, ErrorKind::NoSpace].contains(&failed.kind()), "{failed:?}");
        sh(dir, "rm thin/fill")?;
        let refused = driver.commit(&draft, &layer, None).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::WrongState, "{refused:?}");
        // What is left can be looked at, and taken away.
        driver.mount(&draft, &MountRequest::default()).unwrap().unmount().unwrap();
        driver.remove((&draft).into()).unwrap();
        Ok(())
    })
    .unwrap();
}
