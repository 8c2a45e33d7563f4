//! Plans whose paths have what the options' syntax uses itself.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use graphdriver_api::{Base, DriverFactory, ErrorKind, MountPlan, MountRequest};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};
use sapwood_driver_overlay2::Overlay2Factory;

use crate::support::*;

/// Mounts what a plan says, option by option.
pub(crate) fn carry_out(plan: &MountPlan) -> rustix::io::Result<OwnedFd> {
    let MountPlan::Mount { fs_type, source, options, .. } = plan else {
        panic!("overlay2 mounts: {plan:?}")
    };
    let context = fsopen(fs_type.as_str(), FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "source", source.as_os_str())?;
    for (key, value) in options {
        match value {
            Some(value) => fsconfig_set_string(&context, key.as_str(), value.as_os_str())?,
            None => fsconfig_set_flag(&context, key.as_str())?,
        }
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

#[test]
fn with_difficult_paths_mount_the_same_tree() {
    for name in ["plain", "a:b", "a\\b", "a\\:b", "a b\n", "ends\\", "quo\"te", "utf-\u{e9}"] {
        world(|world| {
            let root = world.dir.path().join(OsString::from(name));
            let driver = Overlay2Factory.open(&root, &given(&[])).unwrap();
            let base = make(&driver, "base", None, |t| std::fs::write(t.join("f"), "1").unwrap());
            let d = prepare(&driver, "d", Base::Layer(&base));
            let plan = driver.mount_plan(&d, &MountRequest::default()).unwrap();
            let mount = carry_out(&plan).unwrap_or_else(|e| panic!("{name:?}: {e}: {plan:?}"));
            let seen = PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd()));
            assert_eq!(std::fs::read(seen.join("f")).unwrap(), b"1", "{name:?}");
            std::fs::write(seen.join("g"), "2").unwrap();
            drop(mount);
            assert_eq!(edit(&driver, &d, names), ["f", "g"], "{name:?}");
        });
    }
}

#[test]
fn that_the_kernel_would_not_take_are_refused_in_words() {
    world(|world| {
        let root = world.dir.path().join("x".repeat(250));
        let driver = Overlay2Factory.open(&root, &given(&[])).unwrap();
        let d = prepare(&driver, "d", Base::Scratch);
        let refused = driver.mount_plan(&d, &MountRequest::default()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert!(refused.to_string().contains("mount it here instead"), "{refused}");
        // Which works: no path is given to the kernel.
        assert_eq!(edit(&driver, &d, names), [""; 0]);
    });
}
