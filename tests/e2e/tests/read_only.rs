//! A store on a read-only medium: it is looked at as any other, and what would
//! change it is refused in one line. Needs root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rustix::mount::{MountFlags, mount_remount};
use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Format, busybox};
use sapwood_kit::mount::{Detached, in_private_namespace};

/// Commands that only look.
const LOOK: &[&[&str]] = &[
    &["images"],
    &["inspect", "busybox"],
    &["history", "busybox"],
    &["ps", "-a"],
    &["diff", "kept"],
    &["system", "df"],
    &["storage", "status"],
    &["storage", "ls"],
    &["storage", "tree"],
    &["storage", "check"],
];

/// Commands that write, if only a lease on what they read.
const CHANGE: &[&[&str]] = &[
    &["load", "-i", "ARCHIVE"],
    &["import", "ARCHIVE", "x:1"],
    &["run", "--rm", "busybox", "true"],
    &["rm", "kept"],
    &["rmi", "-f", "busybox"],
    &["tag", "busybox", "b:2"],
    &["commit", "kept", "c:1"],
    &["save", "-o", "ARCHIVE.saved", "busybox"],
    &["container", "prune", "-f"],
    &["system", "prune", "-af"],
    &["storage", "gc"],
];

fn looked_at_and_not_changed(sapwood: &Sapwood, archive: &str) {
    sapwood.ok(["load", "-q", "-i", archive]);
    sapwood.ok(["run", "--name", "kept", "busybox", "sh", "-c", "echo x > /x"]);
    let all = || LOOK[..3].iter().map(|args| sapwood.ok(*args)).collect::<String>();
    let before = all();
    let root = sapwood.root();
    mount_remount(&root, MountFlags::RDONLY, "").unwrap();
    for args in LOOK {
        sapwood.ok(*args);
    }
    for args in CHANGE {
        let args = args.iter().map(|arg| arg.replace("ARCHIVE", archive));
        let args: Vec<_> = args.collect();
        let (status, said) = sapwood.fails(&args);
        assert!([1, 125].contains(&status), "{args:?}: {status}");
        let told = ["read-only medium", "Read-only file system"].iter().any(|w| said.contains(w));
        assert!(told, "{args:?}: {said}");
    }
    assert_eq!(all(), before);
    mount_remount(&root, MountFlags::empty(), "").unwrap();
    assert_eq!(sapwood.ok(["run", "--rm", "busybox", "echo", "again"]), "again\n");
}

fn on_a_medium_of_its_own(driver: &str) {
    let archives = tempfile::tempdir().unwrap();
    let archive = archives.path().join("busybox.tar");
    busybox("busybox").unwrap().write(&archive, Format::Docker, Compression::None).unwrap();
    let sapwood = Sapwood::on(driver);
    let failed = in_private_namespace(|| {
        std::fs::create_dir(sapwood.root()).unwrap();
        Detached::tmpfs(64 << 20).unwrap().attach(rustix::fs::CWD, sapwood.root()).unwrap();
        let run = || looked_at_and_not_changed(&sapwood, archive.to_str().unwrap());
        Ok(catch_unwind(AssertUnwindSafe(run)).err())
    });
    if let Some(panic) = failed.unwrap() {
        resume_unwind(panic);
    }
}

#[test]
fn a_store_on_a_read_only_medium_vfs() {
    on_a_medium_of_its_own("vfs");
}

#[test]
fn a_store_on_a_read_only_medium_overlay2() {
    on_a_medium_of_its_own("overlay2");
}
